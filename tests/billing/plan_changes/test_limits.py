import pytest

from billing.core.errors import CurrencyMismatch
from billing.plan_changes.limits import (
    LimitCheck,
    LimitReached,
    check_limits,
    crossed,
    excesses,
    percent_reached,
)
from billing.plan_changes.plans import PlanLimits, Price

from ..builders import a_plan, some_usage


def test_usage_up_to_the_limit_fits():
    plan = a_plan()
    usage = some_usage(seats=5, customers=50, ar_balance=1_000_000)
    checks = check_limits(plan, plan.price("month", "usd"), 5, usage)
    assert checks == (
        LimitCheck(name="seats", used=5, allowed=5, ok=True),
        LimitCheck(name="customers", used=50, allowed=50, ok=True),
        LimitCheck(name="ar_balance", used=1_000_000, allowed=1_000_000, ok=True),
    )
    assert excesses(checks, "usd") == ()


def test_every_excess_is_named_with_by_how_much():
    usage = some_usage(seats=12, customers=61, ar_balance=1_250_050)
    checks = check_limits(a_plan(), None, 10, usage)
    assert [check.ok for check in checks] == [False, False, False]
    assert excesses(checks, "usd") == (
        "Seats: 12 in use, 10 allowed after the change: 2 too many",
        "Customers: 61 in use, 50 allowed after the change: 11 too many",
        "AR balance: USD 12,500.50 in use, USD 10,000.00 allowed after the change: USD 2,500.50 too much",
    )


def test_only_the_excesses_are_named():
    checks = check_limits(a_plan(), None, 10, some_usage(customers=51))
    assert excesses(checks, "usd") == ("Customers: 51 in use, 50 allowed after the change: 1 too many",)


@pytest.mark.parametrize(("bought", "allowed"), [(4, 4), (10, 10), (25, 10)])
def test_seats_are_limited_by_what_is_bought_and_what_the_plan_holds(bought, allowed):
    assert check_limits(a_plan(), None, bought, some_usage())[0].allowed == allowed


def test_unlimited_is_never_exceeded():
    plan = a_plan(limits=PlanLimits(seats=10))
    checks = check_limits(plan, None, 10, some_usage(customers=10**6, ar_balance=10**12))
    assert [(check.allowed, check.ok) for check in checks[1:]] == [(None, True), (None, True)]


def test_the_limits_of_the_price_hold_where_it_has_its_own():
    price = Price(
        id="price_x",
        interval="month",
        unit_amount=1,
        currency="usd",
        limits=PlanLimits(seats=10, customers=80),
    )
    plan = a_plan(prices=(price,))
    assert [c.allowed for c in check_limits(plan, price, 10, some_usage())] == [10, 80, None]


def test_a_limit_of_zero_allows_nothing():
    plan = a_plan(limits=PlanLimits(seats=10, customers=0, ar_balance=0))
    checks = check_limits(plan, None, 10, some_usage(customers=1, ar_balance=0))
    assert [check.ok for check in checks] == [True, False, True]


def test_a_balance_is_not_held_against_a_limit_in_another_currency():
    plan = a_plan()
    with pytest.raises(CurrencyMismatch):
        check_limits(plan, plan.price("month", "usd"), 10, some_usage(currency="eur"))


def test_amounts_without_minor_units_are_named_as_such():
    checks = check_limits(a_plan(), None, 10, some_usage(ar_balance=1_000_001, currency="jpy"))
    assert excesses(checks, "jpy") == (
        "AR balance: JPY 1,000,001 in use, JPY 1,000,000 allowed after the change: JPY 1 too much",
    )


@pytest.mark.parametrize(
    ("used", "allowed", "percent"),
    [
        (79, 100, 0),
        (80, 100, 80),
        (99, 100, 80),
        (100, 100, 100),
        (120, 100, 100),
        (5, None, 0),
        (0, 0, 0),
        (1, 0, 100),
    ],
)
def test_a_limit_is_near_from_eighty_percent(used: int, allowed: int | None, percent: int) -> None:
    assert percent_reached(used, allowed) == percent


def test_a_limit_is_told_of_once_each_time_it_is_come_to() -> None:
    def look(used: int, told: dict[str, int]) -> tuple[list[int], dict[str, int]]:
        check = LimitCheck(name="customers", used=used, allowed=100, ok=True)
        news, now = crossed((check,), told, "usd")
        return [one.percent for one in news], now

    assert look(79, {}) == ([], {})
    assert look(80, {}) == ([80], {"customers": 80})
    assert look(90, {"customers": 80}) == ([], {"customers": 80})
    assert look(100, {"customers": 80}) == ([100], {"customers": 100})
    assert look(85, {"customers": 100}) == ([], {"customers": 80})
    assert look(70, {"customers": 80}) == ([], {})
    assert look(100, {}) == ([100], {"customers": 100})


def test_what_is_reached_reads_with_its_unit() -> None:
    reached = LimitReached(name="ar_balance", percent=80, used=80_000, allowed=100_000, currency="usd")
    assert reached.words == "USD 800.00 of USD 1,000.00 in unpaid invoices (AR balance)"
    assert reached.model_copy(update={"name": "seats"}).words == "80000 of 100000 seats"
