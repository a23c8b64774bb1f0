"""What a plan costs a month."""

import pytest

from billing.core.money import Money
from billing.plan_changes.plans import Interval
from billing.quotes.costs import MonthlyCost, cost_per_month


@pytest.mark.parametrize(
    ("unit", "seats", "interval", "minor"),
    [
        (1000, 6, "month", 6000),
        (20_000, 6, "year", 10_000),
        (10_000, 1, "year", 833),
        (10_006, 1, "year", 834),  # a half is rounded up
        (0, 6, "year", 0),
    ],
)
def test_the_list_price_of_all_seats_of_a_year_the_twelfth(
    unit: int, seats: int, interval: Interval, minor: int
) -> None:
    assert cost_per_month(unit, seats, interval, "usd") == Money(amount_minor=minor, currency="usd")


def test_the_difference_is_what_it_costs_more_and_unknown_where_the_present_price_is() -> None:
    less, more = (Money(amount_minor=minor, currency="usd") for minor in (6000, 12_000))
    assert MonthlyCost(before=more, after=less).difference == Money(amount_minor=-6000, currency="usd")
    assert MonthlyCost(before=None, after=less).difference is None
