"""Subscriptions: their start, their changes, their payment, their end."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of

APR_16 = APRIL + 15 * DAY


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


# -- start ---------------------------------------------------------------------------------------------


def test_a_subscription_starts_active_with_its_first_invoice_paid(business: Business) -> None:
    subscription = business.subscribe(1000, metadata={"plixo": "1"})
    invoice = business.invoice(subscription.latest_invoice, "payments")
    assert (subscription.status, subscription.billing_mode.type) == ("active", "flexible")
    assert (invoice.status, invoice.billing_reason, invoice.amount_paid) == (
        "paid",
        "subscription_create",
        1000,
    )
    assert invoice.parent.subscription_details.metadata.to_dict() == {"plixo": "1"}
    assert [payment.status for payment in invoice.payments.data] == ["paid"]
    assert not hasattr(subscription, "current_period_end")
    assert items_of(subscription)[0].current_period_end == MAY
    assert business.events(
        "customer.subscription.created", "invoice.paid", "charge.succeeded", "invoice.finalized"
    ) == [
        "invoice.finalized",
        "charge.succeeded",
        "invoice.paid",
        "customer.subscription.created",
    ]


def test_a_first_payment_that_fails_leaves_the_subscription_incomplete(business: Business) -> None:
    customer = business.declining_customer()
    subscription = business.subscribe(1000, customer=customer.id)
    invoice = business.invoice(subscription.latest_invoice)
    assert (subscription.status, invoice.status, invoice.attempt_count) == ("incomplete", "open", 1)
    method = business.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    business.v1.invoices.pay(invoice.id, {"payment_method": method.id})
    assert business.subscription(subscription.id).status == "active"


def test_an_incomplete_subscription_expires_after_23_hours(business: Business) -> None:
    subscription = business.subscribe(1000, customer=business.declining_customer().id)
    business.at(APRIL + 23 * 3600 - 1)
    assert business.subscription(subscription.id).status == "incomplete"
    business.at(APRIL + 23 * 3600)
    assert business.subscription(subscription.id).status == "incomplete_expired"
    assert business.invoice(subscription.latest_invoice).status == "void"


def test_error_if_incomplete_creates_nothing(business: Business) -> None:
    customer = business.declining_customer()
    error = refused(business.subscribe, 1000, customer=customer.id, payment_behavior="error_if_incomplete")
    assert isinstance(error, stripe.CardError)
    assert (error.http_status, error.code, error.error.decline_code) == (
        402,
        "card_declined",
        "generic_decline",
    )
    assert error.error.charge.startswith("ch_")
    assert error.error.payment_intent.status == "requires_payment_method"
    assert list(business.v1.subscriptions.list({"customer": customer.id, "status": "all"})) == []
    assert list(business.v1.invoices.list({"customer": customer.id})) == []


def test_default_incomplete_waits_for_a_confirmation(business: Business) -> None:
    subscription = business.subscribe(1000, payment_behavior="default_incomplete")
    invoice = business.invoice(subscription.latest_invoice, "payments", "confirmation_secret")
    assert (subscription.status, invoice.status, invoice.attempt_count) == ("incomplete", "open", 0)
    intent = invoice.payments.data[0].payment.payment_intent
    assert invoice.confirmation_secret.client_secret.startswith(intent)
    business.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    assert business.subscription(subscription.id).status == "active"
    assert business.invoice(invoice.id).status == "paid"


def test_a_customer_without_a_card_is_refused(business: Business) -> None:
    error = refused(business.subscribe, 1000, customer=business.customer(card=None).id)
    assert (error.http_status, error.code) == (400, "resource_missing")


def test_sent_invoices_start_active_and_wait_for_the_due_date(business: Business) -> None:
    subscription = business.subscribe(1000, collection_method="send_invoice", days_until_due=10)
    invoice = business.invoice(subscription.latest_invoice)
    assert (subscription.status, invoice.status, invoice.due_date) == ("active", "open", APRIL + 10 * DAY)
    business.at(APRIL + 10 * DAY)
    assert business.subscription(subscription.id).status == "past_due"
    assert "invoice.overdue" in business.events()


def test_a_trial_costs_nothing_and_then_bills(business: Business) -> None:
    subscription = business.subscribe(1000, trial_period_days=7)
    assert (subscription.status, subscription.trial_end) == ("trialing", APRIL + 7 * DAY)
    assert amounts(business.invoice(subscription.latest_invoice)) == [0]
    changed = business.change(subscription, business.price(3000, "Gold"), proration_behavior="always_invoice")
    assert changed.latest_invoice == subscription.latest_invoice
    business.at(APRIL + 7 * DAY + 3600)
    after = business.subscription(subscription.id)
    assert (after.status, items_of(after)[0].current_period_start) == ("active", APRIL + 7 * DAY)
    assert amounts(business.invoice(after.latest_invoice)) == [3000]
    assert business.invoice(after.latest_invoice).status == "paid"


def test_a_trial_that_ends_now_bills_a_full_period(business: Business) -> None:
    subscription = business.subscribe(1000, trial_period_days=7)
    business.at(APRIL + 2 * DAY)
    ended = business.v1.subscriptions.update(subscription.id, {"trial_end": "now"})
    assert (ended.status, ended.trial_end) == ("active", APRIL + 2 * DAY)
    assert amounts(business.invoice(ended.latest_invoice)) == [1000]


def test_an_anchor_in_the_future_bills_the_part_before_it(business: Business) -> None:
    business.at(APR_16)
    subscription = business.subscribe(1000, billing_cycle_anchor=MAY)
    item = items_of(subscription)[0]
    assert (item.current_period_start, item.current_period_end) == (APR_16, MAY)
    assert amounts(business.invoice(subscription.latest_invoice)) == [500]


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"items": [{"price": "price_none"}]}, "items[0][price]", "resource_missing"),
        ({"customer": "cus_none"}, "customer", "resource_missing"),
        ({"default_payment_method": "pm_none"}, "default_payment_method", "resource_missing"),
        ({"items": []}, "items", "parameter_missing"),
        ({"billing_cycle_anchor": APRIL - 1}, "billing_cycle_anchor", None),
        ({"trial_end": APRIL - 1}, "trial_end", None),
        ({"collection_method": "send_invoice"}, "days_until_due", None),
        ({"payment_behavior": "pending_if_incomplete"}, "payment_behavior", None),
    ],
)
def test_a_wrong_start_is_refused_by_the_parameters_name(
    business: Business, given: dict[str, Any], param: str, code: str | None
) -> None:
    customer = given.pop("customer", None) or business.customer().id
    if given.get("items") == []:
        error = refused(business.v1.subscriptions.create, {"customer": customer})
    else:
        error = refused(business.subscribe, 1000, customer=customer, **given)
    assert (error.http_status, error.param, error.code) == (400, param, code)


# -- items -----------------------------------------------------------------------------------------------


def test_a_price_without_a_quantity_sets_the_quantity_to_one(business: Business) -> None:
    subscription = business.subscribe(1000, items=[{"price": business.price(1000), "quantity": 5}])
    item = items_of(subscription)[0]
    changed = business.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item.id, "price": business.price(2000, "Gold")}]}
    )
    assert [(i.id, i.quantity) for i in items_of(changed)] == [(item.id, 1)]


def test_an_item_without_its_id_adds_a_second_item(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.v1.subscriptions.update(
        subscription.id,
        {"items": [{"price": business.price(2000, "Gold")}], "proration_behavior": "always_invoice"},
    )
    assert [item.price.unit_amount for item in items_of(changed)] == [1000, 2000]
    assert amounts(business.invoice(changed.latest_invoice)) == [1000]
    assert items_of(changed)[1].current_period_end == MAY


def test_a_deleted_item_is_credited_and_the_last_one_cannot_go(business: Business) -> None:
    subscription = business.subscribe(1000, 600)
    business.at(APR_16)
    first, second = items_of(subscription)
    changed = business.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": second.id, "deleted": True}], "proration_behavior": "always_invoice"},
    )
    assert [item.id for item in items_of(changed)] == [first.id]
    assert amounts(business.invoice(changed.latest_invoice)) == [-300]
    assert business.balance(subscription.customer) == -300
    error = refused(
        business.v1.subscriptions.update, subscription.id, {"items": [{"id": first.id, "deleted": True}]}
    )
    assert (error.http_status, error.param) == (400, "items")


def test_a_quantity_change_credits_and_debits_full_quantities(business: Business) -> None:
    subscription = business.subscribe(1000, items=[{"price": business.price(1000), "quantity": 2}])
    business.at(APR_16)
    changed = business.change(
        subscription, business.price(1000), quantity=5, proration_behavior="always_invoice"
    )
    invoice = business.invoice(changed.latest_invoice)
    assert amounts(invoice) == [-1000, 2500]
    assert [line.description for line in invoice.lines.data] == [
        "Unused time on 2 × Silver after 16 Apr 2026",
        "Remaining time on 5 × Silver after 16 Apr 2026",
    ]


def test_an_unchanged_item_yields_nothing(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.change(subscription, business.price(1000), proration_behavior="always_invoice")
    assert changed.latest_invoice == subscription.latest_invoice


def test_the_same_price_twice_is_refused(business: Business) -> None:
    subscription = business.subscribe(1000)
    error = refused(
        business.v1.subscriptions.update, subscription.id, {"items": [{"price": business.price(1000)}]}
    )
    assert (error.http_status, error.param) == (400, "items")


@pytest.mark.parametrize("date", [APRIL - 1, MAY + 1])
def test_a_proration_date_outside_the_period_is_refused(business: Business, date: int) -> None:
    subscription = business.subscribe(1000)
    price = business.price(2000, "Gold")
    for call in (business.change, business.preview):
        error = refused(call, subscription, price, proration_date=date)
        assert (error.http_status, error.param) == (400, "proration_date")
        assert "outside the current billing period" in str(error)


def test_an_interval_change_in_classic_mode_resets_the_anchor_by_itself(business: Business) -> None:
    subscription = business.subscribe(1000, billing_mode={"type": "classic"})
    business.at(APR_16)
    changed = business.change(subscription, business.price(10000, "Yearly", "year"))
    assert amounts(business.invoice(changed.latest_invoice)) == [-500, 10000]
    assert changed.billing_cycle_anchor == APR_16


def test_prorations_wait_for_the_renewal_unless_invoiced_at_once(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.change(subscription, business.price(3000, "Gold"))
    waiting = business.v1.invoice_items.list({"customer": subscription.customer, "pending": True}).data
    assert changed.latest_invoice == subscription.latest_invoice
    assert sorted(item.amount for item in waiting) == [-500, 1500]
    debit = next(item for item in waiting if item.amount > 0)
    credit = next(item for item in waiting if item.amount < 0)
    assert debit.parent.subscription_details.subscription_item == items_of(subscription)[0].id
    assert debit.proration_details.credited_items is None
    first = business.invoice(subscription.latest_invoice)
    assert credit.proration_details.credited_items.to_dict() == {
        "invoice_item": None,
        "invoice_line_item_details": {"invoice": first.id, "invoice_line_items": [first.lines.data[0].id]},
        "type": "invoice_line_items",
    }
    business.at(MAY + 3600)
    renewal = business.invoice(business.subscription(subscription.id).latest_invoice)
    assert amounts(renewal) == [-500, 1500, 3000]
    assert (renewal.status, renewal.billing_reason) == ("paid", "subscription_cycle")


def test_pending_debits_are_credited_from_what_they_debited(business: Business) -> None:
    subscription = business.subscribe(1200)
    business.at(APRIL + 10 * DAY)
    changed = business.change(subscription, business.price(3000, "Gold"))
    business.at(APRIL + 20 * DAY)
    changed = business.change(changed, business.price(1200))
    waiting = business.v1.invoice_items.list({"customer": subscription.customer, "pending": True}).data
    assert [item.amount for item in reversed(waiting)] == [-800, 2000, -1000, 400]
    credit, debit = waiting[1], waiting[2]
    assert credit.proration_details.credited_items.invoice_item == debit.id
    business.at(MAY + 3600)
    renewal = business.invoice(business.subscription(subscription.id).latest_invoice)
    credited = renewal.lines.data[2].parent.subscription_item_details.proration_details.credited_items
    assert (credited.invoice, credited.invoice_line_items) == (renewal.id, [renewal.lines.data[1].id])


@pytest.mark.parametrize(
    ("mode", "lines"), [("classic", [-1500, 10000]), ("flexible", [-500, 1500, -1500, 10000])]
)
def test_what_waits_joins_an_anchor_reset_in_flexible_mode_only(
    business: Business, mode: str, lines: list[int]
) -> None:
    subscription = business.subscribe(1000, billing_mode={"type": mode})
    business.at(APR_16)
    changed = business.change(subscription, business.price(3000, "Gold"))
    changed = business.change(
        changed,
        business.price(10000, "Yearly", "year"),
        billing_cycle_anchor={"type": "now"},
        proration_behavior="always_invoice",
    )
    assert amounts(business.invoice(changed.latest_invoice)) == lines


# -- payment of changes ----------------------------------------------------------------------------------


def unpayable(business: Business) -> Any:
    """A running subscription whose card has begun to decline, in the middle of its period."""
    subscription = business.subscribe(1000)
    method = business.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": subscription.customer}
    )
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    business.at(APR_16)
    return business.subscription(subscription.id)


def test_allow_incomplete_applies_the_change_and_is_past_due(business: Business) -> None:
    subscription = unpayable(business)
    changed = business.change(subscription, business.price(3000, "Gold"), proration_behavior="always_invoice")
    invoice = business.invoice(changed.latest_invoice)
    assert (changed.status, invoice.status, invoice.amount_remaining) == ("past_due", "open", 1000)
    assert items_of(changed)[0].price.unit_amount == 3000
    assert invoice.next_payment_attempt == APR_16 + 3 * DAY
    business.v1.invoices.pay(invoice.id, {"payment_method": business_card(business, subscription.customer)})
    assert business.subscription(subscription.id).status == "active"


def test_default_incomplete_applies_the_change_and_waits(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.change(
        subscription,
        business.price(3000, "Gold"),
        proration_behavior="always_invoice",
        payment_behavior="default_incomplete",
    )
    invoice = business.invoice(changed.latest_invoice)
    assert (changed.status, invoice.status, invoice.attempt_count) == ("past_due", "open", 0)
    assert items_of(changed)[0].price.unit_amount == 3000


def test_error_if_incomplete_changes_nothing(business: Business) -> None:
    subscription = unpayable(business)
    before = subscription.to_dict()
    error = refused(
        business.change,
        subscription,
        business.price(3000, "Gold"),
        proration_behavior="always_invoice",
        payment_behavior="error_if_incomplete",
    )
    assert (error.http_status, error.code) == (402, "card_declined")
    assert business.subscription(subscription.id).to_dict() == before
    assert len(list(business.v1.invoices.list({"customer": subscription.customer}))) == 1
    assert list(business.v1.invoice_items.list({"customer": subscription.customer})) == []


def pending(business: Business) -> Any:
    """A subscription with an update that waits for its payment."""
    return business.change(
        unpayable(business),
        business.price(3000, "Gold"),
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )


def business_card(business: Business, customer: str) -> str:
    return str(business.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id)


def test_pending_if_incomplete_keeps_the_items_until_paid(business: Business) -> None:
    held = pending(business)
    assert (held.status, items_of(held)[0].price.unit_amount) == ("active", 1000)
    assert held.pending_update.expires_at == APR_16 + 23 * 3600
    assert [item.price.unit_amount for item in held.pending_update.subscription_items] == [3000]
    invoice = business.invoice(held.latest_invoice)
    assert (invoice.status, amounts(invoice)) == ("open", [-500, 1500])
    business.v1.invoices.pay(invoice.id, {"payment_method": business_card(business, held.customer)})
    applied = business.subscription(held.id)
    assert (applied.pending_update, items_of(applied)[0].price.unit_amount) == (None, 3000)
    assert "customer.subscription.pending_update_applied" in business.events()
    down = business.change(applied, business.price(1000), proration_behavior="always_invoice")
    assert amounts(business.invoice(down.latest_invoice)) == [-1500, 500]


def test_a_pending_update_expires_and_its_invoice_is_voided(business: Business) -> None:
    held = pending(business)
    business.at(APR_16 + 23 * 3600)
    after = business.subscription(held.id)
    assert (after.pending_update, items_of(after)[0].price.unit_amount) == (None, 1000)
    assert business.invoice(held.latest_invoice).status == "void"
    assert "customer.subscription.pending_update_expired" in business.events()


def test_voiding_the_invoice_cancels_the_pending_update(business: Business) -> None:
    held = pending(business)
    business.v1.invoices.void_invoice(held.latest_invoice)
    after = business.subscription(held.id)
    assert (after.pending_update, items_of(after)[0].price.unit_amount, after.status) == (
        None,
        1000,
        "active",
    )


def test_a_new_update_replaces_the_pending_one(business: Business) -> None:
    held = pending(business)
    again = business.change(held, business.price(2000, "Bronze"), proration_behavior="none")
    assert (again.pending_update, items_of(again)[0].price.unit_amount) == (None, 2000)
    assert business.invoice(held.latest_invoice).status == "void"


def test_a_pending_update_that_can_be_paid_applies_at_once(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.change(
        subscription,
        business.price(3000, "Gold"),
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )
    assert (changed.pending_update, items_of(changed)[0].price.unit_amount) == (None, 3000)


def test_a_bank_debit_has_no_pending_update(business: Business) -> None:
    subscription = business.subscribe(1000)
    method = business.v1.payment_methods.attach("pm_usBankAccount", {"customer": subscription.customer})
    business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    error = refused(
        business.change,
        subscription,
        business.price(3000, "Gold"),
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )
    assert (error.http_status, error.param) == (400, "payment_behavior")


def test_a_pending_update_holds_supported_parameters_only(business: Business) -> None:
    subscription = business.subscribe(1000)
    error = refused(
        business.change,
        subscription,
        business.price(3000, "Gold"),
        payment_behavior="pending_if_incomplete",
        description="later",
    )
    assert (error.http_status, error.param) == (400, "description")


def test_three_d_secure_leaves_the_change_to_the_customer(business: Business) -> None:
    subscription = business.subscribe(1000)
    method = business.v1.payment_methods.attach(
        "pm_card_authenticationRequired", {"customer": subscription.customer}
    )
    business.at(APR_16)
    changed = business.v1.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    changed = business.change(changed, business.price(3000, "Gold"), proration_behavior="always_invoice")
    payment = business.v1.invoice_payments.list({"invoice": changed.latest_invoice}).data[0]
    intent = business.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert (changed.status, intent.status) == ("past_due", "requires_action")
    assert "invoice.payment_action_required" in business.events()
    business.authenticate(intent.id)
    assert business.subscription(subscription.id).status == "active"
    assert business.invoice(changed.latest_invoice).status == "paid"


# -- terms, end, list --------------------------------------------------------------------------------------


def test_plain_fields_change_without_billing(business: Business) -> None:
    subscription = business.subscribe(1000, metadata={"a": "1", "b": "2"})
    changed = business.v1.subscriptions.update(
        subscription.id, {"metadata": {"a": "", "c": "3"}, "description": "ours"}
    )
    assert (changed.metadata.to_dict(), changed.description) == ({"b": "2", "c": "3"}, "ours")
    event = business.v1.events.list({"type": "customer.subscription.updated"}).data[0]
    assert event.data.previous_attributes["description"] is None


def test_cancelling_at_period_end_ends_with_the_period(business: Business) -> None:
    subscription = business.subscribe(1000)
    planned = business.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (planned.cancel_at_period_end, planned.cancel_at, planned.status) == (True, MAY, "active")
    back = business.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (back.cancel_at, back.canceled_at) == (None, None)
    business.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    business.at(MAY + DAY)
    ended = business.subscription(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", MAY)
    assert len(list(business.v1.invoices.list({"subscription": subscription.id}))) == 1


def test_cancelling_now_credits_unused_time_when_asked(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    ended = business.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})
    assert (ended.status, ended.ended_at) == ("canceled", APR_16)
    assert business.balance(subscription.customer) == -500
    error = refused(business.v1.subscriptions.cancel, subscription.id)
    assert (error.http_status, error.code) == (404, "resource_missing")
    error = refused(business.change, subscription, business.price(2000, "Gold"))
    assert error.http_status == 400


def test_subscriptions_are_listed_by_customer_price_and_status(business: Business) -> None:
    customer = business.customer().id
    first = business.subscribe(1000, customer=customer)
    second = business.subscribe(2000, customer=customer)
    business.v1.subscriptions.cancel(first.id)

    def ids(**params: Any) -> list[str]:
        return [one.id for one in business.v1.subscriptions.list(params).data]

    assert ids(customer=customer) == [second.id]
    assert ids(customer=customer, status="all") == [second.id, first.id]
    assert ids(customer=customer, status="canceled") == [first.id]
    assert ids(price=business.price(2000)) == [second.id]
    assert ids(price=business.price(1000)) == []


def test_a_price_whose_metadata_changed_is_shown_as_it_is_now(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.v1.prices.update(business.price(1000), {"metadata": {"seats": "5"}})
    assert items_of(business.subscription(subscription.id))[0].price.metadata.to_dict() == {"seats": "5"}


def test_a_deleted_customers_subscriptions_end(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.v1.customers.delete(subscription.customer)
    assert business.subscription(subscription.id).status == "canceled"


def test_an_anchor_reset_at_a_pinned_second_credits_from_it_and_starts_now(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16 + 600)
    changed = business.change(
        subscription,
        business.price(10000, "Yearly", "year"),
        billing_cycle_anchor={"type": "now"},
        proration_date=APR_16,
    )
    assert amounts(business.invoice(changed.latest_invoice)) == [-500, 10000]
    assert items_of(changed)[0].current_period_start == APR_16 + 600


def test_the_first_invoice_is_expanded_with_its_payment(business: Business) -> None:
    expand = ["latest_invoice.payments.data.payment", "latest_invoice.confirmation_secret", "schedule"]
    subscription = business.subscribe(1000, expand=[*expand, "items.data.price.product"])
    payment = subscription.latest_invoice.payments.data[0].payment
    intent = business.v1.payment_intents.retrieve(payment.payment_intent)
    assert (intent.status, intent.amount) == ("succeeded", 1000)
    assert subscription.latest_invoice.confirmation_secret.client_secret == intent.client_secret
    assert items_of(subscription)[0].price.product.name == "Silver"


def test_items_are_read_by_subscription_and_by_id(business: Business) -> None:
    subscription = business.subscribe(1000, 500)
    found = business.v1.subscription_items.list({"subscription": subscription.id}).data
    assert [item.price.unit_amount for item in found] == [1000, 500]
    assert business.v1.subscription_items.retrieve(found[1].id).price.unit_amount == 500
    assert refused(business.v1.subscription_items.retrieve, "si_none").http_status == 404
