"""Ends of subscriptions that are set ahead: https://docs.stripe.com/billing/subscriptions/cancel."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, items_of, shape

APR_11, APR_16, APR_21 = APRIL + 10 * DAY, APRIL + 15 * DAY, APRIL + 20 * DAY
NEXT_APRIL = 1806537600
HOUR = 3600
MODES = ["classic", "flexible"]


def waiting(business: Business, subscription: Any) -> list[int]:
    items = business.v1.invoice_items.list({"customer": subscription.customer, "pending": True})
    return [item.amount for item in reversed(items.data)]


def update(business: Business, subscription: Any, **change: Any) -> Any:
    return business.v1.subscriptions.update(subscription.id, change)


def test_the_end_of_the_period_is_noted(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_11)
    planned = update(business, subscription, cancel_at_period_end=True)
    assert (planned.cancel_at_period_end, planned.cancel_at, planned.canceled_at) == (True, MAY, APR_11)
    assert planned.cancellation_details.reason == "cancellation_requested"
    assert waiting(business, subscription) == []
    kept = business.change(planned, business.price(2000, "Gold"))
    assert (kept.cancel_at_period_end, kept.cancel_at) == (True, MAY)
    back = update(business, subscription, cancel_at_period_end=False)
    assert (back.cancel_at, back.canceled_at, back.cancellation_details.reason) == (None, None, None)


@pytest.mark.parametrize(
    ("which", "end"),
    [("min_period_end", MAY), ("max_period_end", 1806537600), ("max_billed_until", 1806537600)],
)
def test_the_end_of_one_of_several_periods_can_be_named(business: Business, which: str, end: int) -> None:
    items = [{"price": business.price(1000)}, {"price": business.price(10000, "Yearly", "year")}]
    subscription = business.subscribe(items=items)
    planned = update(business, subscription, cancel_at=which, proration_behavior="none")
    assert (planned.cancel_at, planned.cancel_at_period_end) == (end, False)
    assert update(business, subscription, cancel_at="").cancel_at is None
    at_end = update(business, subscription, cancel_at_period_end=True, proration_behavior="none")
    assert at_end.cancel_at == MAY


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("behavior", "waits", "invoiced"),
    [("create_prorations", [-500], None), ("always_invoice", [], [-500]), ("none", [], None)],
)
def test_an_end_within_the_period_is_credited_as_asked(
    business: Business, mode: str, behavior: str, waits: list[int], invoiced: list[int] | None
) -> None:
    subscription = business.subscribe(1000, billing_mode={"type": mode})
    business.at(APR_11)
    change = {"cancel_at": APR_16, "proration_behavior": behavior}
    preview = business.preview(subscription, **change) if behavior != "none" else None
    planned = update(business, subscription, **change)
    assert (planned.cancel_at, planned.status) == (APR_16, "active")
    assert waiting(business, subscription) == waits
    if preview:
        assert amounts(preview) == [-500]
    if invoiced:
        invoice = business.invoice(planned.latest_invoice)
        assert [shape(line) for line in preview.lines.data] == [shape(line) for line in invoice.lines.data]
        assert (invoice.lines.data[0].period.start, invoice.lines.data[0].period.end) == (APR_16, MAY)
    business.at(APR_16)
    ended = business.subscription(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", APR_16)
    assert business.balance(subscription.customer) == (0 if behavior == "none" else -500)


@pytest.mark.parametrize("mode", MODES)
def test_a_later_end_is_debited_again(business: Business, mode: str) -> None:
    subscription = business.subscribe(1000, billing_mode={"type": mode})
    for end in (APR_16, APR_21, ""):
        update(business, subscription, cancel_at=end)
    assert waiting(business, subscription) == [-500, 167, 333]
    business.at(MAY + HOUR)
    renewed = business.subscription(subscription.id)
    assert amounts(business.invoice(renewed.latest_invoice)) == [-500, 167, 333, 1000]


@pytest.mark.parametrize("mode", MODES)
def test_a_change_before_the_end_is_prorated_until_it(business: Business, mode: str) -> None:
    subscription = business.subscribe(3000, billing_mode={"type": mode})
    planned = update(business, subscription, cancel_at=APR_21)
    business.at(APR_11)
    changed = business.change(planned, business.price(6000, "Gold"), proration_behavior="always_invoice")
    assert amounts(business.invoice(changed.latest_invoice))[-2:] == [-1000, 2000]


def test_a_period_in_which_it_ends_is_charged_in_part(business: Business) -> None:
    subscription = business.subscribe(1000)
    end = MAY + 15 * DAY + 12 * HOUR
    planned = update(business, subscription, cancel_at=end)
    assert waiting(business, subscription) == []
    preview = business.preview(planned)
    business.at(MAY + HOUR)
    renewed = business.subscription(subscription.id)
    renewal = business.invoice(renewed.latest_invoice)
    assert [shape(line) for line in preview.lines.data] == [shape(line) for line in renewal.lines.data]
    assert (amounts(renewal), renewal.lines.data[0].period.end) == ([500], end)
    assert items_of(renewed)[0].current_period_start == MAY
    business.at(end)
    assert business.subscription(subscription.id).status == "canceled"


def test_what_does_not_go_together_is_refused(business: Business) -> None:
    subscription = business.subscribe(1000)
    item = {"id": items_of(subscription)[0].id, "quantity": 2}
    for change in (
        {"cancel_at": APR_16, "cancel_at_period_end": True},
        {"cancel_at": APRIL},
        {"cancel_at": APR_16, "items": [item]},
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            update(business, subscription, **change)
        assert caught.value.param == "cancel_at"
