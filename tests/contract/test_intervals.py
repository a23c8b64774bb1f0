"""Intervals of every length, together in one subscription, and changed for another one.

The figures of a change without an anchor are recorded behavior, or follow from it.
"""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, is_proration, items_of, shape

APR_16 = APRIL + 15 * DAY
NEXT_APRIL = 1806537600
"""1 April 2027."""
NOV_30, FEB_28, MAY_30 = 1795996800, 1803772800, 1811635200
JAN_31 = 1769817600


def every(business: Business, interval: str, count: int = 1, amount: int = 1000) -> str:
    product = business.v1.products.create({"name": f"Each {count} {interval}"}).id
    recurring = {"interval": interval, "interval_count": count}
    given = {"product": product, "currency": "usd", "unit_amount": amount, "recurring": recurring}
    return str(business.v1.prices.create(given).id)


def period(subscription: Any, index: int = 0) -> tuple[int, int]:
    item = items_of(subscription)[index]
    return item.current_period_start, item.current_period_end


def swap(business: Business, amounts: tuple[int, int], at: int, **more: Any) -> tuple[Any, Any]:
    """A monthly subscription changed for a yearly price; the same as its preview."""
    subscription = business.subscribe(amounts[0])
    business.at(at)
    price = business.price(amounts[1], "Yearly", "year")
    preview = business.preview(subscription, price, proration_behavior="always_invoice", **more)
    changed = business.change(subscription, price, proration_behavior="always_invoice", **more)
    invoice = business.invoice(changed.latest_invoice)
    assert [shape(line) for line in preview.lines.data] == [shape(line) for line in invoice.lines.data]
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_update")
    return changed, invoice


# -- one interval ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "count", "starts", "ends"),
    [
        pytest.param("week", 1, APRIL, [APRIL + 7 * DAY, APRIL + 14 * DAY], id="weekly"),
        pytest.param("day", 1, APRIL, [APRIL + DAY, APRIL + 2 * DAY], id="daily"),
        pytest.param("day", 10, APRIL, [APRIL + 10 * DAY, APRIL + 20 * DAY], id="each ten days"),
        pytest.param("month", 3, NOV_30, [FEB_28, MAY_30], id="quarterly"),
        pytest.param("month", 6, APRIL, [1790812800, NEXT_APRIL], id="half-yearly"),
        pytest.param("month", 1, JAN_31, [1772236800, 1774915200], id="from the 31st"),
        pytest.param("year", 1, 1835395200, [1866931200, 1898467200], id="from 29 February"),
    ],
)
def test_a_period_has_its_exact_length(
    business: Business, interval: str, count: int, starts: int, ends: list[int]
) -> None:
    business.stand_in.reset()
    business.at(starts)
    subscription = business.subscribe(items=[{"price": every(business, interval, count)}])
    assert period(subscription) == (starts, ends[0])
    business.at(ends[0] + 3600)
    renewed = business.subscription(subscription.id)
    invoice = business.invoice(renewed.latest_invoice)
    assert period(renewed) == (ends[0], ends[1])
    assert (amounts(invoice), invoice.status, invoice.billing_reason) == (
        [1000],
        "paid",
        "subscription_cycle",
    )


def test_a_quarter_is_prorated_by_its_seconds(business: Business) -> None:
    subscription = business.subscribe(items=[{"price": every(business, "month", 3, 9100)}])
    business.at(APRIL + 31 * DAY)  # 60 of 91 days are left
    changed = business.change(
        subscription, every(business, "month", 3, 18200), proration_behavior="always_invoice"
    )
    assert amounts(business.invoice(changed.latest_invoice)) == [-6000, 12000]


# -- several -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "intervals",
    [
        [("month", 1), ("month", 3)],
        [("month", 1), ("year", 1)],
        [("day", 1), ("week", 1)],
    ],
)
def test_each_interval_may_be_a_multiple_of_the_shortest(
    business: Business, intervals: list[tuple[str, int]]
) -> None:
    items = [{"price": every(business, *interval)} for interval in intervals]
    subscription = business.subscribe(items=items)
    assert period(subscription, 0)[1] < period(subscription, 1)[1]
    business.at(period(subscription, 0)[1])
    renewed = business.subscription(subscription.id)
    assert amounts(business.invoice(renewed.latest_invoice)) == [1000]
    assert period(renewed, 1) == period(subscription, 1)


@pytest.mark.parametrize(
    "intervals",
    [[("month", 2), ("month", 3)], [("week", 1), ("month", 1)], [("month", 5), ("year", 1)]],
)
def test_other_intervals_are_refused_together(business: Business, intervals: list[tuple[str, int]]) -> None:
    items = [{"price": every(business, *interval)} for interval in intervals]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.subscribe(items=items)
    assert caught.value.param == "items"
    subscription = business.subscribe(items=items[:1])
    with pytest.raises(stripe.InvalidRequestError) as caught:
        business.v1.subscriptions.update(subscription.id, {"items": items[1:]})
    assert caught.value.param == "items"


# -- a change of the interval ------------------------------------------------------------------------------


def test_i1_a_longer_interval_keeps_the_anchor_and_the_start(business: Business) -> None:
    changed, invoice = swap(business, (2500, 25000), APRIL + 4, trial_end="now", cancel_at_period_end=False)
    assert amounts(invoice) == [-2500, 25000]
    assert [(line.period.start, line.period.end) for line in invoice.lines.data] == [
        (APRIL + 4, MAY),
        (APRIL + 4, NEXT_APRIL),
    ]
    assert [(is_proration(line), line.discountable) for line in invoice.lines.data] == [(True, False)] * 2
    assert changed.billing_cycle_anchor == APRIL
    assert period(changed) == (APRIL, NEXT_APRIL)


def test_i2_an_anchor_reset_charges_the_new_interval_as_such(business: Business) -> None:
    changed, invoice = swap(business, (2500, 25000), APRIL + 4, billing_cycle_anchor={"type": "now"})
    assert amounts(invoice) == [-2500, 25000]
    assert [is_proration(line) for line in invoice.lines.data] == [True, False]
    assert invoice.lines.data[1].description == "1 × Yearly (at $250.00 / year)"
    assert changed.billing_cycle_anchor == APRIL + 4
    assert period(changed) == (APRIL + 4, NEXT_APRIL + 4)


def test_i3_the_rest_of_a_longer_interval_is_debited(business: Business) -> None:
    changed, invoice = swap(business, (1000, 10000), APR_16)
    assert amounts(invoice) == [-500, 9589]
    business.at(MAY + 7200)
    assert business.subscription(changed.id).latest_invoice == invoice.id
    business.at(NEXT_APRIL + 3600)
    renewed = business.subscription(changed.id)
    assert amounts(business.invoice(renewed.latest_invoice)) == [10000]


@pytest.mark.parametrize(
    ("setting", "debit", "span"),
    [
        ("aligned", 548, (1778803200 - 14 * DAY, 1780272000)),
        ("now", 1000, (1778803200, 1781481600)),
    ],
)
def test_i4_a_shorter_interval_is_the_one_of_the_cycle_or_begins_anew(
    business: Business, setting: str, debit: int, span: tuple[int, int]
) -> None:
    business.stand_in.control("switches", {"shorter_interval": setting})
    subscription = business.subscribe(items=[{"price": business.price(10000, "Yearly", "year")}])
    business.at(1778803200)  # 15 May: 321 of 365 days are left, 17 of May's 31
    preview = business.preview(subscription, business.price(1000), proration_behavior="always_invoice")
    changed = business.change(subscription, business.price(1000), proration_behavior="always_invoice")
    invoice = business.invoice(changed.latest_invoice)
    assert amounts(preview) == amounts(invoice) == [-8795, debit]
    assert (changed.billing_cycle_anchor, period(changed)) == (APRIL, span)


def test_an_interval_may_change_without_prorations(business: Business) -> None:
    subscription = business.subscribe(1000)
    business.at(APR_16)
    changed = business.change(
        subscription, business.price(10000, "Yearly", "year"), proration_behavior="none"
    )
    assert changed.latest_invoice == subscription.latest_invoice
    assert period(changed) == (APRIL, NEXT_APRIL)
