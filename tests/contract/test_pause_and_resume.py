"""Subscriptions that are paused and resumed: https://docs.stripe.com/billing/subscriptions/pause."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, is_proration, items_of, shape
from .test_meters import Metered

APR_16, APR_21 = APRIL + 15 * DAY, APRIL + 20 * DAY
HOUR = 3600


def paused(business: Business, amount: int = 1000, **more: Any) -> Any:
    """A subscription that was paused in the middle of April."""
    subscription = business.subscribe(amount)
    business.at(APR_16)
    return business.v1.subscriptions.pause(subscription.id, more)


def waiting(business: Business, subscription: Any) -> list[int]:
    items = business.v1.invoice_items.list({"customer": subscription.customer, "pending": True})
    return sorted(item.amount for item in items)


def previewed(business: Business, subscription: Any, **details: Any) -> list[Any]:
    preview = business.preview(subscription, **details)
    return [shape(line) for line in preview.lines.data]


def billed(business: Business, subscription: Any) -> list[Any]:
    return [shape(line) for line in business.invoice(subscription.latest_invoice).lines.data]


def with_bad_card(business: Business, subscription: Any) -> None:
    method = business.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": subscription.customer}
    )
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})


# -- pause -------------------------------------------------------------------------------------------------


def test_unused_time_is_credited_later(business: Business) -> None:
    subscription = paused(business)
    assert (subscription.status, items_of(subscription)[0].current_period_end) == ("paused", APR_16)
    assert subscription.status_details.paused.to_dict() == {
        "subscription": {"type": "pause_requested"},
        "transitioned_at": APR_16,
        "type": "subscription",
    }
    assert waiting(business, subscription) == [-500]
    assert "customer.subscription.paused" in business.events()
    before = len(list(business.v1.invoices.list()))
    business.at(MAY + 40 * DAY)
    assert business.subscription(subscription.id).status == "paused"
    assert len(list(business.v1.invoices.list())) == before


@pytest.mark.parametrize(
    ("since", "credit"), [("now", -500), ("item_current_period_start", -1000), ("none", 0)]
)
def test_so_much_is_credited_as_asked(business: Business, since: str, credit: int) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    asked = {"bill_for": {"unused_time_from": {"type": since}}, "invoicing_behavior": "invoice"}
    if credit:
        shown = previewed(business, subscription, pause=asked)
        done = business.v1.subscriptions.pause(subscription.id, asked)
        assert (shown, business.balance(done.customer)) == (billed(business, done), credit)
        return
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.preview(subscription, pause=asked)
    assert (caught.value.http_status, caught.value.code) == (404, "invoice_upcoming_none")
    done = business.v1.subscriptions.pause(subscription.id, asked)
    assert done.latest_invoice == subscription.latest_invoice


@pytest.mark.parametrize(("through", "lines"), [("now", [-500, 500]), ("none", [-500])])
def test_so_is_what_was_used(business: Business, through: str, lines: list[int]) -> None:
    metered = Metered(business)
    items = [{"price": business.price(1000)}, {"price": metered.price(unit_amount=5)}]
    subscription = business.subscribe(items=items)
    metered.use(subscription, 100)
    business.at(APR_16)
    asked = {
        "bill_for": {"outstanding_usage_through": {"type": through}},
        "invoicing_behavior": "invoice",
    }
    shown = previewed(business, subscription, pause=asked)
    done = business.v1.subscriptions.pause(subscription.id, asked)
    assert shown == billed(business, done)
    assert amounts(business.invoice(done.latest_invoice)) == lines


@pytest.mark.parametrize(
    "given",
    [
        {"billing_mode": {"type": "classic"}},
        {"collection_method": "send_invoice", "days_until_due": 7},
        {"trial_period_days": 7},
    ],
)
def test_some_subscriptions_cannot_be_paused(business: Business, given: dict[str, Any]) -> None:
    subscription = business.subscribe(1000, **given)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.v1.subscriptions.pause(subscription.id)
    assert caught.value.http_status == 400


def test_a_scheduled_or_paused_one_cannot_either(business: Business) -> None:
    subscription = business.subscribe(1000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    with pytest.raises(stripe.InvalidRequestError):
        business.v1.subscriptions.pause(subscription.id)
    business.v1.subscription_schedules.release(schedule.id)
    business.v1.subscriptions.pause(subscription.id)
    with pytest.raises(stripe.InvalidRequestError):
        business.v1.subscriptions.pause(subscription.id)


# -- resume ------------------------------------------------------------------------------------------------


def test_a_new_period_begins_at_the_resumption(business: Business) -> None:
    subscription = paused(business)
    business.at(APR_21)
    shown = previewed(business, subscription, resume_at="now")
    resumed = business.v1.subscriptions.resume(subscription.id)
    invoice = business.invoice(resumed.latest_invoice)
    assert shown == billed(business, resumed)
    assert (amounts(invoice), invoice.status, resumed.status) == ([-500, 1000], "paid", "active")
    assert is_proration(invoice.lines.data[1]) is False
    assert (resumed.billing_cycle_anchor, resumed.status_details) == (APR_21, None)
    assert items_of(resumed)[0].current_period_start == APR_21
    assert "customer.subscription.resumed" in business.events()


@pytest.mark.parametrize(
    ("behavior", "lines"), [("always_invoice", [-500, 333]), ("create_prorations", None), ("none", None)]
)
def test_the_anchor_may_stay(business: Business, behavior: str, lines: list[int] | None) -> None:
    subscription = paused(business)
    business.at(APR_21)
    asked = {"billing_cycle_anchor": {"type": "unchanged"}, "proration_behavior": behavior}
    shown = previewed(business, subscription, resume_at="now", **asked) if lines else None
    resumed = business.v1.subscriptions.resume(subscription.id, asked)
    item = items_of(resumed)[0]
    assert (resumed.status, resumed.billing_cycle_anchor) == ("active", APRIL)
    assert (item.current_period_start, item.current_period_end) == (APRIL, MAY)
    if lines:
        assert shown == billed(business, resumed)
        assert amounts(business.invoice(resumed.latest_invoice)) == lines
    else:
        expected = [-500, 333] if behavior == "create_prorations" else [-500]
        assert waiting(business, subscription) == expected
    business.at(MAY + HOUR)
    renewal = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert amounts(renewal) == ([1000] if lines else [*expected, 1000])


def test_a_resumption_that_is_not_paid_is_past_due(business: Business) -> None:
    subscription = paused(business)
    with_bad_card(business, subscription)
    resumed = business.v1.subscriptions.resume(subscription.id)
    invoice = business.invoice(resumed.latest_invoice)
    assert (resumed.status, invoice.status, invoice.attempt_count) == ("past_due", "open", 1)
    business.v1.invoices.mark_uncollectible(invoice.id)
    assert business.subscription(subscription.id).status == "active"


def test_a_resumption_may_wait_for_its_payment(business: Business) -> None:
    subscription = paused(business)
    waits = business.v1.subscriptions.resume(
        subscription.id, {"payment_behavior": "resume_on_payment_success"}
    )
    invoice = business.invoice(waits.latest_invoice)
    assert (waits.status, invoice.status, invoice.attempt_count) == ("paused", "open", 0)
    business.v1.invoices.pay(invoice.id)
    resumed = business.subscription(subscription.id)
    assert (resumed.status, items_of(resumed)[0].current_period_start) == ("active", APR_16)


@pytest.mark.parametrize("how", ["time", "void"])
def test_without_it_the_subscription_stays_paused(business: Business, how: str) -> None:
    subscription = paused(business)
    waits = business.v1.subscriptions.resume(
        subscription.id, {"payment_behavior": "resume_on_payment_success"}
    )
    if how == "void":
        business.v1.invoices.void_invoice(waits.latest_invoice)
    business.at(APR_16 + 23 * HOUR)
    assert business.invoice(waits.latest_invoice).status == "void"
    assert business.subscription(subscription.id).status == "paused"
    again = business.v1.subscriptions.resume(subscription.id)
    assert (again.status, amounts(business.invoice(again.latest_invoice))) == ("active", [-500, 1000])


def test_one_that_ran_out_of_attempts_can_be_resumed(business: Business) -> None:
    business.stand_in.control("retries", {"days": [], "after": "pause"})
    subscription = business.subscribe(1000)
    with_bad_card(business, subscription)
    business.at(MAY + HOUR)
    assert business.subscription(subscription.id).status == "paused"
    card = business.v1.payment_methods.attach("pm_card_visa", {"customer": subscription.customer})
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})
    assert business.v1.subscriptions.resume(subscription.id).status == "active"


def test_a_trial_that_ended_without_a_card_can_be_resumed(business: Business) -> None:
    customer = business.customer(card=None)
    subscription = business.subscribe(
        1000,
        customer=customer.id,
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
    )
    business.at(APRIL + 8 * DAY)
    card = business.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})
    resumed = business.v1.subscriptions.resume(subscription.id)
    assert (resumed.status, amounts(business.invoice(resumed.latest_invoice))) == ("active", [1000])


def test_only_a_paused_one_is_resumed(business: Business) -> None:
    subscription = business.subscribe(1000)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.v1.subscriptions.resume(subscription.id)
    assert caught.value.http_status == 400


def test_a_paused_one_can_be_canceled(business: Business) -> None:
    subscription = paused(business)
    business.v1.subscriptions.update(subscription.id, {"cancel_at": APR_21})
    business.at(APR_21)
    assert business.subscription(subscription.id).status == "canceled"
