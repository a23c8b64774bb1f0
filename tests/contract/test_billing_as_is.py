"""Billing on whatever Stripe is under test, real test mode included: nothing here moves a clock."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import stripe

from .billing import amounts, is_proration, items_of, shape


@pytest.fixture(scope="module")
def v1(stripe_client: stripe.StripeClient) -> Any:
    """The services of the SDK's client."""
    return stripe_client.v1


@pytest.fixture(scope="module")
def prices(v1: Any) -> dict[int, str]:
    """Monthly prices by their amount in cents."""
    return {
        amount: v1.prices.create(
            {
                "product_data": {"name": f"Contract plan {amount}"},
                "unit_amount": amount,
                "currency": "usd",
                "recurring": {"interval": "month"},
            }
        ).id
        for amount in (1900, 4900, 9900)
    }


@pytest.fixture
def payer(v1: Any) -> Any:
    """A customer whose card pays."""
    customer = v1.customers.create({"name": "Contract test"})
    method = v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    return v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})


@pytest.fixture
def subscription(v1: Any, payer: Any, prices: dict[int, str]) -> Any:
    """A running subscription at 49.00 a month."""
    return v1.subscriptions.create({"customer": payer.id, "items": [{"price": prices[4900], "quantity": 2}]})


def expected(unit: int, quantity: int, item: Any, at: int) -> int:
    whole = Decimal(unit * quantity) * (item.current_period_end - at)
    share = whole / (item.current_period_end - item.current_period_start)
    return int(share.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def test_an_upgrade_bills_what_was_previewed_at_the_pinned_second(
    v1: Any, subscription: Any, prices: dict[int, str]
) -> None:
    item = items_of(subscription)[0]
    at = item.current_period_start + 1000
    change: dict[str, Any] = {
        "items": [{"id": item.id, "price": prices[9900], "quantity": 3}],
        "proration_behavior": "always_invoice",
        "proration_date": at,
    }
    preview = v1.invoices.create_preview({"subscription": subscription.id, "subscription_details": change})
    assert amounts(preview) == [-expected(4900, 2, item, at), expected(9900, 3, item, at)]
    assert preview.parent.subscription_details.subscription_proration_date == at
    changed = v1.subscriptions.update(
        subscription.id,
        {**change, "payment_behavior": "error_if_incomplete"},
    )
    invoice = v1.invoices.retrieve(str(changed.latest_invoice))
    assert [shape(line) for line in invoice.lines.data] == [shape(line) for line in preview.lines.data]
    assert (invoice.status, invoice.amount_paid) == ("paid", preview.total)
    assert (items_of(changed)[0].id, items_of(changed)[0].quantity) == (item.id, 3)


def test_a_downgrade_on_the_next_invoice_waits_as_invoice_items(
    v1: Any, subscription: Any, prices: dict[int, str]
) -> None:
    item = items_of(subscription)[0]
    at = item.current_period_start + 1000
    changed = v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item.id, "price": prices[1900], "quantity": 2}], "proration_date": at},
    )
    assert changed.latest_invoice == subscription.latest_invoice
    waiting = v1.invoice_items.list({"customer": subscription.customer, "pending": True}).data
    figures = sorted(one.amount for one in waiting)
    assert figures == [-expected(4900, 2, item, at), expected(1900, 2, item, at)]
    upcoming = v1.invoices.create_preview({"subscription": subscription.id})
    assert sum(line.amount for line in upcoming.lines.data if is_proration(line)) == sum(figures)
    assert upcoming.total == sum(figures) + 3800


def test_a_declined_upgrade_changes_nothing(v1: Any, subscription: Any, prices: dict[int, str]) -> None:
    bad = v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": subscription.customer})
    v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
    item = items_of(subscription)[0]
    with pytest.raises(stripe.CardError) as caught:
        v1.subscriptions.update(
            subscription.id,
            {
                "items": [{"id": item.id, "price": prices[9900], "quantity": 2}],
                "proration_behavior": "always_invoice",
                "payment_behavior": "error_if_incomplete",
            },
        )
    assert caught.value.http_status == 402
    after = v1.subscriptions.retrieve(subscription.id)
    assert (after.status, items_of(after)[0].price.id) == ("active", prices[4900])
    assert after.latest_invoice == subscription.latest_invoice


def test_a_downgrade_is_scheduled_and_released(v1: Any, subscription: Any, prices: dict[int, str]) -> None:
    schedules = v1.subscription_schedules
    schedule = schedules.create({"from_subscription": subscription.id})
    [phase] = schedule.phases
    updated = schedules.update(
        schedule.id,
        {
            "phases": [
                {
                    "items": [{"price": prices[4900], "quantity": 2}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                },
                {
                    "items": [{"price": prices[1900], "quantity": 2}],
                    "duration": {"interval": "month"},
                    "proration_behavior": "none",
                },
            ]
        },
    )
    assert [one.start_date for one in updated.phases] == [phase.start_date, phase.end_date]
    assert amounts(v1.invoices.create_preview({"subscription": subscription.id})) == [3800]
    released = schedules.release(schedule.id)
    assert (released.status, released.released_subscription) == ("released", subscription.id)
    assert v1.subscriptions.retrieve(subscription.id).schedule is None


def test_money_goes_back_through_the_invoices_payment(v1: Any, subscription: Any) -> None:
    payments = v1.invoice_payments.list({"invoice": subscription.latest_invoice, "status": "paid"})
    intent = payments.data[0].payment.payment_intent
    refund = v1.refunds.create({"payment_intent": intent, "amount": 1800, "metadata": {"note": "1"}})
    assert (refund.status, refund.amount) == ("succeeded", 1800)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        v1.refunds.create({"payment_intent": intent, "amount": 9800})
    assert (caught.value.http_status, caught.value.param) == (400, "amount")
    v1.refunds.create({"payment_intent": intent})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        v1.refunds.create({"payment_intent": intent})
    assert caught.value.code == "charge_already_refunded"


def test_a_credit_note_moves_a_paid_amount_to_the_balance(v1: Any, subscription: Any) -> None:
    note = v1.credit_notes.create(
        {
            "invoice": subscription.latest_invoice,
            "amount": 500,
            "credit_amount": 500,
            "reason": "order_change",
        }
    )
    assert (note.type, note.post_payment_amount) == ("post_payment", 500)
    assert v1.customers.retrieve(subscription.customer).balance == -500
