"""Previews: the invoice that would be, and that the update then makes."""

from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .billing import APRIL, DAY, MAY, Business, amounts, is_proration, items_of, shape

APR_16 = APRIL + 15 * DAY
JUNE = 1780272000


def nothing_upcoming(call: Any, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args, **kwargs)
    assert (caught.value.http_status, caught.value.code) == (404, "invoice_upcoming_none")


def test_the_next_renewal_is_previewed_and_not_stored(business: Business) -> None:
    subscription = business.subscribe(1000)
    preview = business.preview(subscription)
    assert (amounts(preview), preview.period_start, preview.period_end) == ([1000], APRIL, MAY)
    assert (preview.lines.data[0].period.start, preview.lines.data[0].period.end) == (MAY, JUNE)
    assert preview.parent.subscription_details.subscription_proration_date is None
    assert len(list(business.v1.invoices.list({"customer": subscription.customer}))) == 1
    with pytest.raises(stripe.InvalidRequestError):
        business.v1.invoices.retrieve(preview.id)


def test_a_preview_without_a_pinned_second_says_which_it_took(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    preview = business.preview(subscription, business.price(2000, "Gold"))
    assert preview.parent.subscription_details.subscription_proration_date == APR_16
    assert amounts(preview) == [-500, 1000, 2000]


def test_what_waits_is_part_of_the_next_invoice(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.v1.invoice_items.create(
        {"customer": subscription.customer, "amount": 250, "currency": "usd", "description": "Set-up"}
    )
    business.at(APR_16)
    assert amounts(business.preview(subscription, business.price(2000, "Gold"))) == [250, -500, 1000, 2000]
    changed = business.change(subscription, business.price(2000, "Gold"), proration_behavior="always_invoice")
    assert amounts(business.invoice(changed.latest_invoice)) == [250, -500, 1000]


def test_a_change_of_nothing_bills_nothing_even_when_something_waits(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    price = business.price(2000, "Gold")
    changed = business.change(subscription, price)
    assert amounts(business.preview(changed, price, proration_behavior="always_invoice")) == []
    again = business.change(changed, price, proration_behavior="always_invoice")
    assert again.latest_invoice == subscription.latest_invoice


def test_recurring_mode_shows_the_periods_price_alone(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    item = {"id": items_of(subscription)[0].id, "price": business.price(2000, "Gold"), "quantity": 1}
    preview = business.v1.invoices.create_preview(
        {
            "subscription": subscription.id,
            "preview_mode": "recurring",
            "subscription_details": {"items": [item]},
        }
    )
    assert amounts(preview) == [2000]


def test_a_customers_balance_counts_in_the_preview(business: Business) -> None:
    subscription = business.subscribe(1000, customer=business.customer(balance=-300).id)
    assert business.balance(subscription.customer) == 0
    business.v1.customers.balance_transactions.create(
        subscription.customer, {"amount": -1500, "currency": "usd"}
    )
    preview = business.preview(subscription)
    assert (preview.total, preview.amount_due, preview.starting_balance, preview.ending_balance) == (
        1000,
        0,
        -1500,
        -500,
    )
    assert business.balance(subscription.customer) == -1500


def test_a_subscription_that_ends_has_no_next_invoice(business: Business) -> None:
    subscription = business.subscribe(1000)
    nothing_upcoming(business.preview, subscription, cancel_at_period_end=True)
    business.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    nothing_upcoming(business.preview, subscription)
    business.v1.subscriptions.cancel(subscription.id)
    nothing_upcoming(business.preview, subscription)
    nothing_upcoming(business.v1.invoices.create_preview, {"customer": subscription.customer})


def test_cancelling_now_is_previewed_with_its_credit(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    assert amounts(business.preview(subscription, cancel_now=True)) == [-500]


def test_a_new_subscription_is_previewed_for_a_customer(business: Business) -> None:
    customer = business.customer().id
    items = [{"price": business.price(1000), "quantity": 3}]
    params: dict[str, Any] = {"customer": customer, "subscription_details": {"items": items}}
    preview = business.v1.invoices.create_preview(params)
    assert (amounts(preview), preview.lines.data[0].quantity) == ([3000], 3)
    assert preview.lines.data[0].description == "3 × Silver (at $10.00 / month)"
    assert list(business.v1.subscriptions.list({"customer": customer})) == []


def test_a_customer_alone_previews_the_renewal_that_comes_first(business: Business) -> None:
    customer = business.customer().id
    business.subscribe(1000, customer=customer)
    business.at(APRIL + DAY)
    business.subscribe(2000, customer=customer)
    assert amounts(business.v1.invoices.create_preview({"customer": customer})) == [1000]


def test_a_scheduled_change_shows_in_the_renewal(business: Business) -> None:
    subscription = business.subscribe(2000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    business.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {
                    "items": [{"price": business.price(2000), "quantity": 1}],
                    "start_date": APRIL,
                    "end_date": MAY,
                },
                {"items": [{"price": business.price(1000), "quantity": 1}], "proration_behavior": "none"},
            ]
        },
    )
    for params in ({"subscription": subscription.id}, {"schedule": schedule.id}):
        assert amounts(business.v1.invoices.create_preview(params)) == [1000]


CHANGES = st.lists(
    st.tuples(
        st.integers(1, 20_000),  # price
        st.integers(1, 4),  # quantity
        st.integers(0, 3 * DAY),  # seconds since the change before
        st.integers(0, 60),  # seconds between preview and update
        st.sampled_from(["always_invoice", "create_prorations", "none"]),
    ),
    min_size=1,
    max_size=7,
)


@pytest.mark.parametrize("mode", ["flexible", "classic"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(50, 20_000), changes=CHANGES)
def test_what_was_previewed_at_a_pinned_second_is_what_the_update_bills(
    business: Business, mode: str, first: int, changes: list[tuple[int, int, int, int, str]]
) -> None:
    business.stand_in.reset()
    business.prices.clear()
    business.at(APRIL)
    customer = business.customer()
    subscription = business.subscribe(first, customer=customer.id, billing_mode={"type": mode})
    second = APRIL
    for amount, quantity, pause, delay, behavior in changes:
        second += pause
        business.at(second)
        price = business.price(amount, f"Plan {amount}")
        terms = {"proration_behavior": behavior, "proration_date": second, "quantity": quantity}
        previewed = business.preview(subscription, price, **terms)
        assert sum(amounts(previewed)) == previewed.total == previewed.subtotal
        second += delay
        business.at(second)
        changed = business.change(subscription, price, **terms)
        if behavior == "always_invoice":
            billed = list(previewed.lines.data)
            fresh = changed.latest_invoice != subscription.latest_invoice
            lines = business.v1.invoices.line_items.list(changed.latest_invoice, {"limit": 100})
            made = list(lines.data) if fresh else []
        else:
            billed = [line for line in previewed.lines.data if is_proration(line)]
            after = business.preview(changed)
            made = [line for line in after.lines.data if is_proration(line)]
            assert amounts(after) == amounts(previewed)
        assert [shape(line) for line in billed] == [shape(line) for line in made]
        subscription = changed


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(50, 20_000), changes=CHANGES)
def test_flexible_billing_never_credits_more_than_it_debited(
    business: Business, first: int, changes: list[tuple[int, int, int, int, str]]
) -> None:
    business.stand_in.reset()
    business.prices.clear()
    business.at(APRIL)
    subscription = business.subscribe(first)
    second = APRIL
    debited: dict[str, int] = {}
    credited: dict[str, int] = {}
    for amount, quantity, pause, _, behavior in changes:
        second += pause
        business.at(second)
        price = business.price(amount, f"Plan {amount}")
        subscription = business.change(subscription, price, quantity=quantity, proration_behavior=behavior)
    business.at(MAY + 3600)
    for invoice in business.v1.invoices.list({"subscription": subscription.id, "limit": 100}).data:
        lines = list(business.v1.invoices.line_items.list(invoice.id, {"limit": 100}).auto_paging_iter())
        assert sum(line.amount for line in lines) == invoice.total
        for line in lines:
            if line.amount > 0:
                debited[line.id] = line.amount
            else:
                source = line.parent.subscription_item_details.proration_details.credited_items
                [of] = source.invoice_line_items
                credited[of] = credited.get(of, 0) - line.amount
    assert all(taken <= debited[line] for line, taken in credited.items())
