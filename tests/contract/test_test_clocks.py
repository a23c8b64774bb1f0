"""Test clocks: customers whose time stands still until it is advanced."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def clock(business: Business, at: int = APRIL, **more: Any) -> Any:
    return business.v1.test_helpers.test_clocks.create({"frozen_time": at, **more})


def advance(business: Business, id: str, to: int) -> Any:
    """Advance, and give the clock as the next look at it shows it."""
    business.v1.test_helpers.test_clocks.advance(id, {"frozen_time": to})
    return business.v1.test_helpers.test_clocks.retrieve(id)


def test_what_lives_by_a_clock_has_its_time_and_what_does_not_has_ours(business: Business) -> None:
    far = APRIL + 400 * DAY
    made = clock(business, far, name="far")
    customer = business.customer(test_clock=made.id)

    subscription = business.subscribe(1000, customer=customer.id)
    other = business.subscribe(1000)

    assert (subscription.created, subscription.test_clock) == (far, made.id)
    assert business.invoice(subscription.latest_invoice).test_clock == made.id
    assert (other.created, other.test_clock) == (APRIL, None)
    event = business.v1.events.list({"type": "customer.subscription.created", "limit": 2}).data[1]
    assert (event.created, event.data.object.created) == (APRIL, far)


def test_advancing_works_off_what_falls_due_and_stops_at_its_target(business: Business) -> None:
    made = clock(business)
    customer = business.customer(test_clock=made.id)
    subscription = business.subscribe(1000, customer=customer.id)

    moving = business.v1.test_helpers.test_clocks.advance(made.id, {"frozen_time": MAY})
    arrived = business.v1.test_helpers.test_clocks.retrieve(made.id)

    assert (moving.status, moving.status_details.advancing.target_frozen_time) == ("advancing", MAY)
    assert (arrived.status, arrived.frozen_time) == ("ready", MAY)
    draft = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (draft.status, draft.created, draft.automatically_finalizes_at) == ("draft", MAY, MAY + 3600)
    advance(business, made.id, MAY + 3601)
    paid = business.invoice(draft.id)
    assert (paid.status, paid.status_transitions.paid_at) == ("paid", MAY + 3600)
    assert (
        business.events("test_helpers.test_clock.advancing", "test_helpers.test_clock.ready")
        == [
            "test_helpers.test_clock.advancing",
            "test_helpers.test_clock.ready",
        ]
        * 2
    )


def test_our_own_time_moves_nothing_that_lives_by_a_clock(business: Business) -> None:
    made = clock(business)
    customer = business.customer(test_clock=made.id)
    subscription = business.subscribe(1000, customer=customer.id)

    business.at(MAY + 2 * 3600)

    assert business.subscription(subscription.id).latest_invoice == subscription.latest_invoice


def test_nothing_can_be_changed_while_a_clock_is_under_way(business: Business) -> None:
    business.stand_in.control("test_clocks", {"seconds": 60})
    made = clock(business)
    customer = business.customer(test_clock=made.id)
    business.v1.test_helpers.test_clocks.advance(made.id, {"frozen_time": APRIL + DAY})

    error = refused(business.v1.customers.update, customer.id, {"name": "Other"})
    gone = refused(business.v1.test_helpers.test_clocks.delete, made.id)

    assert (error.http_status, gone.http_status) == (429, 429)
    assert "Test clock advancement underway" in str(error.user_message)
    assert business.v1.customers.retrieve(customer.id).name == "Acme"
    business.at(APRIL + 60)
    assert business.v1.customers.update(customer.id, {"name": "Other"}).name == "Other"


def test_a_clock_goes_forward_only_and_two_intervals_at_most(business: Business) -> None:
    made = clock(business)
    back = refused(business.v1.test_helpers.test_clocks.advance, made.id, {"frozen_time": APRIL})
    customer = business.customer(test_clock=made.id)
    business.subscribe(1000, customer=customer.id)

    far = refused(business.v1.test_helpers.test_clocks.advance, made.id, {"frozen_time": APRIL + 62 * DAY})

    assert (back.param, far.param) == ("frozen_time", "frozen_time")
    assert f"You can only advance it up to {MAY + 31 * DAY}" in str(far.user_message)
    assert advance(business, made.id, MAY + 31 * DAY).frozen_time == MAY + 31 * DAY


def test_lists_show_what_lives_by_a_clock_only_to_those_who_ask_for_it(business: Business) -> None:
    made = clock(business)
    inside = business.customer(test_clock=made.id)
    outside = business.customer()
    of_inside = business.subscribe(1000, customer=inside.id)
    of_outside = business.subscribe(1000, customer=outside.id)

    def ids(page: Any) -> list[str]:
        return [one.id for one in page.data]

    assert ids(business.v1.customers.list()) == [outside.id]
    assert ids(business.v1.customers.list({"test_clock": made.id})) == [inside.id]
    assert ids(business.v1.subscriptions.list()) == [of_outside.id]
    assert ids(business.v1.subscriptions.list({"test_clock": made.id})) == [of_inside.id]
    assert ids(business.v1.subscriptions.list({"customer": inside.id})) == [of_inside.id]
    assert refused(business.v1.customers.list, {"test_clock": "clock_none"}).code == "resource_missing"


def test_a_deleted_clock_takes_with_it_what_lived_by_it(business: Business) -> None:
    made = clock(business)
    customer = business.customer(test_clock=made.id)
    subscription = business.subscribe(1000, customer=customer.id)

    gone = business.v1.test_helpers.test_clocks.delete(made.id)

    assert gone.deleted is True
    assert business.v1.customers.retrieve(customer.id).deleted is True
    assert refused(business.v1.subscriptions.retrieve, subscription.id).code == "resource_missing"
    assert refused(business.v1.invoices.retrieve, subscription.latest_invoice).code == "resource_missing"


def test_a_refund_settles_in_its_customers_time(business: Business) -> None:
    made = clock(business)
    customer = business.customer("pm_card_pendingRefund", test_clock=made.id)
    invoice = business.invoice(business.subscribe(1000, customer=customer.id).latest_invoice, "payments")
    refund = business.v1.refunds.create({"payment_intent": invoice.payments.data[0].payment.payment_intent})
    assert refund.status == "pending"

    business.at(APRIL + 3600)
    assert business.v1.refunds.retrieve(refund.id).status == "pending"
    advance(business, made.id, APRIL + 3600)
    assert business.v1.refunds.retrieve(refund.id).status == "succeeded"


@pytest.mark.parametrize(
    ("after", "status"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
)
def test_the_account_says_what_becomes_of_a_subscription_that_nobody_pays(
    business: Business, after: str, status: str
) -> None:
    business.stand_in.control("retries", {"days": [1, 2], "after": after})
    customer = business.customer()
    subscription = business.subscribe(1000, customer=customer.id)
    method = business.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    business.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})

    business.at(MAY + 2 * 3600)
    assert business.subscription(subscription.id).status == "past_due"
    business.at(MAY + 4 * DAY)

    over = business.subscription(subscription.id)
    invoice = business.invoice(over.latest_invoice)
    assert (over.status, invoice.attempt_count, invoice.next_payment_attempt) == (status, 3, None)
    assert over.cancellation_details.reason == ("payment_failed" if after == "cancel" else None)


def test_a_renewal_of_an_unpaid_subscription_stays_a_draft(business: Business) -> None:
    business.stand_in.control("retries", {"days": [], "after": "unpaid"})
    customer = business.customer()
    subscription = business.subscribe(1000, customer=customer.id)
    method = business.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    business.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    business.at(MAY + 2 * 3600)
    assert business.subscription(subscription.id).status == "unpaid"

    business.at(MAY + 31 * DAY + 2 * 3600)

    latest = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert (latest.status, latest.auto_advance, latest.created) == ("draft", False, MAY + 31 * DAY)


def test_the_account_says_who_it_is(business: Business) -> None:
    account = business.v1.accounts.retrieve_current()
    assert (account.object, account.default_currency) == ("account", "usd")
