"""Billing cycles that begin on a date of choice: https://docs.stripe.com/billing/subscriptions/billing-cycle."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, MAY, Business, amounts, is_proration, items_of
from .test_intervals import every

APR_16 = APRIL + 15 * DAY


def second(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc]


def anchored(business: Business, price: str, **config: int) -> Any:
    return business.subscribe(items=[{"price": price}], billing_cycle_anchor_config=config)


def test_a_first_part_is_no_proration(business: Business) -> None:
    business.at(APR_16)
    subscription = business.subscribe(1000, billing_cycle_anchor=MAY)
    line = business.invoice(subscription.latest_invoice).lines.data[0]
    assert (line.amount, line.period.start, line.period.end) == (500, APR_16, MAY)
    assert (is_proration(line), line.discountable) == (False, True)


def test_without_prorations_nothing_is_billed_before_the_anchor(business: Business) -> None:
    business.at(APR_16)
    subscription = business.subscribe(1000, billing_cycle_anchor=MAY, proration_behavior="none")
    assert (subscription.status, subscription.latest_invoice) == ("active", None)
    business.at(MAY + 3600)
    renewed = business.subscription(subscription.id)
    assert amounts(business.invoice(renewed.latest_invoice)) == [1000]


def test_two_months_from_february_on_the_31st(business: Business) -> None:
    business.stand_in.reset()
    business.at(second(2026, 2, 10, 9, 30))
    subscription = anchored(business, every(business, "month", 2), day_of_month=31)
    item = items_of(subscription)[0]
    assert subscription.billing_cycle_anchor == second(2026, 8, 31, 9, 30)
    assert item.current_period_end == second(2026, 2, 28, 9, 30)
    assert amounts(business.invoice(subscription.latest_invoice)) == [305]
    assert subscription.billing_cycle_anchor_config.to_dict() == {
        "day_of_month": 31,
        "hour": None,
        "minute": None,
        "month": None,
        "second": None,
    }
    business.at(item.current_period_end + 3600)
    renewed = business.subscription(subscription.id)
    assert items_of(renewed)[0].current_period_end == second(2026, 4, 30, 9, 30)
    assert amounts(business.invoice(renewed.latest_invoice)) == [1000]


@pytest.mark.parametrize(
    ("interval", "config", "anchor", "end"),
    [
        ("month", {"day_of_month": 15}, (2026, 4, 15), (2026, 4, 15)),
        ("month", {"day_of_month": 1}, (2026, 5, 1), (2026, 5, 1)),
        ("month", {"day_of_month": 31, "hour": 6}, (2026, 5, 31, 6), (2026, 4, 30, 6)),
        ("year", {"day_of_month": 1, "month": 7}, (2026, 7, 1), (2026, 7, 1)),
        ("year", {"day_of_month": 31, "month": 1}, (2027, 1, 31), (2027, 1, 31)),
    ],
)
def test_the_cycle_returns_to_the_date(
    business: Business, interval: str, config: dict[str, int], anchor: tuple[int, ...], end: tuple[int, ...]
) -> None:
    subscription = anchored(business, every(business, interval), **config)
    assert subscription.billing_cycle_anchor == second(*anchor)
    assert items_of(subscription)[0].current_period_end == second(*end)


def test_a_date_that_does_not_fit_is_refused(business: Business) -> None:
    def refused(price: str, **more: Any) -> str | None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            business.subscribe(items=[{"price": price}], **more)
        return caught.value.param

    config = {"day_of_month": 15}
    monthly, weekly = every(business, "month"), every(business, "week")
    assert refused(weekly, billing_cycle_anchor_config=config) == "billing_cycle_anchor_config"
    other = {"billing_cycle_anchor_config": config, "billing_cycle_anchor": MAY}
    assert refused(monthly, **other) == "billing_cycle_anchor_config"
    wrong = refused(monthly, billing_cycle_anchor_config={"day_of_month": 32})
    assert wrong == "billing_cycle_anchor_config[day_of_month]"


@pytest.mark.parametrize("mode", ["classic", "flexible"])
@pytest.mark.parametrize(
    ("start", "now", "anchor", "amount"),
    [
        ((2026, 2, 15), (2026, 2, 20), (2026, 3, 1), 500),
        ((2026, 1, 15), (2026, 1, 20), (2026, 2, 1), 548),
    ],
)
def test_a_backdated_first_part_is_of_the_period_of_the_anchor(
    business: Business,
    mode: str,
    start: tuple[int, ...],
    now: tuple[int, ...],
    anchor: tuple[int, ...],
    amount: int,
) -> None:
    business.stand_in.reset()
    business.at(second(*now))
    subscription = business.subscribe(
        1000,
        backdate_start_date=second(*start),
        billing_cycle_anchor=second(*anchor),
        billing_mode={"type": mode},
    )
    invoice = business.invoice(subscription.latest_invoice)
    assert (subscription.start_date, subscription.created) == (second(*start), second(*now))
    assert (amounts(invoice), invoice.lines.data[0].period.start) == ([amount], second(*start))
    assert items_of(subscription)[0].current_period_end == second(*anchor)
