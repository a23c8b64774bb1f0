import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.money import Money
from billing.money.authority import (
    AuthorityUse,
    any_within,
    in_currency,
    shortfall,
    what_is_left,
    why_beyond,
    within_authority,
)
from billing.policy.policy import AuthorityLimit


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def used(by_person: int = 0, to_customer: int = 0) -> AuthorityUse:
    return AuthorityUse(by_person=usd(by_person), to_customer=usd(to_customer))


EUR = Money(amount_minor=1, currency="eur")
LIMIT = AuthorityLimit(per_item=usd(50_000), window_days=30, window_total=usd(120_000))
WITH_CUSTOMER = AuthorityLimit(
    per_item=usd(50_000), window_days=30, window_total=usd(120_000), customer_total=usd(60_000)
)


@pytest.mark.parametrize(
    ("amount", "by_person", "within"),
    [
        (50_000, 0, True),
        (50_001, 0, False),
        (50_000, 70_000, True),
        (50_000, 70_001, False),
        (1, 120_000, False),
        (0, 120_000, True),
        (-50_000, 0, True),
        (-50_001, 0, False),
    ],
)
def test_an_amount_must_fit_the_item_and_the_window(amount, by_person, within):
    assert within_authority(LIMIT, usd(amount), used(by_person)) is within


@pytest.mark.parametrize(
    ("amount", "by_person", "to_customer", "within"),
    [
        (50_000, 0, 10_000, True),
        (50_000, 0, 10_001, False),
        (1, 0, 60_000, False),
        (-50_000, 0, 10_001, False),
        (50_000, 70_001, 0, False),
    ],
)
def test_a_customer_gets_no_more_than_their_total_from_everybody_together(
    amount, by_person, to_customer, within
):
    assert within_authority(WITH_CUSTOMER, usd(amount), used(by_person, to_customer)) is within


def test_without_a_total_for_a_customer_what_they_got_does_not_matter():
    assert within_authority(LIMIT, usd(50_000), used(to_customer=10**9))


def test_no_limit_covers_another_currency():
    assert not within_authority(LIMIT, EUR, used())
    assert not any_within([LIMIT], EUR, {30: used()})
    assert in_currency([LIMIT], EUR) == []


def test_one_of_several_limits_is_enough():
    larger = AuthorityLimit(per_item=usd(90_000), window_days=7, window_total=usd(90_000))
    uses = {30: used(), 7: used(10_000)}
    assert any_within([LIMIT, larger], usd(80_000), uses)
    assert not any_within([LIMIT, larger], usd(80_001), uses)


def test_no_limit_is_no_authority():
    assert not any_within([], usd(0), {})


def test_a_window_that_was_not_counted_is_an_error_and_not_empty():
    with pytest.raises(KeyError):
        any_within([LIMIT], usd(1), {7: used()})


@pytest.mark.parametrize(
    ("amount", "use", "why"),
    [
        (usd(50_001), used(), "USD 500.01 is more than USD 500.00 for one item"),
        (
            usd(50_000),
            used(70_001),
            "with USD 700.01 in the last 30 days it is more than USD 1,200.00 in all",
        ),
        (
            usd(50_000),
            used(0, 10_001),
            "with USD 100.01 to the customer in the last 30 days it is more than USD 600.00 for one customer",
        ),
        (EUR, used(), "there is no limit in EUR"),
        (usd(50_000), used(70_000, 10_000), None),
    ],
)
def test_it_is_said_what_an_amount_is_beyond(amount, use, why):
    assert shortfall(WITH_CUSTOMER, amount, use) == why


def test_why_none_of_several_limits_covers_it_is_said_once_for_each_reason():
    larger = AuthorityLimit(per_item=usd(90_000), window_days=30, window_total=usd(90_000))
    assert why_beyond([LIMIT, LIMIT, larger], usd(80_001), {30: used(10_000)}) == (
        "Beyond the requester's authority: USD 800.01 is more than USD 500.00 for one item; "
        "with USD 100.00 in the last 30 days it is more than USD 900.00 in all."
    )


def test_without_any_limit_it_is_said_that_there_is_no_authority():
    assert why_beyond([], usd(1), {}) == "The requester has no authority in USD."
    assert why_beyond([LIMIT], EUR, {}) == "The requester has no authority in EUR."


@given(st.lists(st.tuples(st.integers(1, 60_000), st.sampled_from("ab"), st.sampled_from("xy")), max_size=30))
def test_splitting_does_not_help(items):
    """Neither over several items, nor a customer's over several people."""
    granted: list[tuple[int, str, str]] = []
    for amount, person, customer in items:
        use = used(
            sum(size for size, by, _ in granted if by == person),
            sum(size for size, _, to in granted if to == customer),
        )
        if within_authority(WITH_CUSTOMER, usd(amount), use):
            granted.append((amount, person, customer))
    for name in "ab":
        assert sum(size for size, by, _ in granted if by == name) <= 120_000
    for name in "xy":
        assert sum(size for size, _, to in granted if to == name) <= 60_000


@given(st.integers(-100_000, 100_000), st.integers(0, 200_000), st.integers(0, 200_000))
def test_an_amount_is_within_exactly_when_nothing_is_said_against_it(amount, by_person, to_customer):
    use = used(by_person, to_customer)
    fits = (
        abs(amount) <= 50_000 and by_person + abs(amount) <= 120_000 and to_customer + abs(amount) <= 60_000
    )
    assert within_authority(WITH_CUSTOMER, usd(amount), use) is fits
    assert (shortfall(WITH_CUSTOMER, usd(amount), use) is None) is fits


def test_what_is_left_of_a_window_is_never_below_nothing():
    fresh = what_is_left(WITH_CUSTOMER, used(20_000, 10_000))
    assert (fresh.used, fresh.left, fresh.customer_left) == (usd(20_000), usd(100_000), usd(50_000))
    over = what_is_left(WITH_CUSTOMER, used(120_001, 60_001))
    assert (over.left, over.customer_left) == (usd(0), usd(0))


def test_without_a_total_for_a_customer_none_is_left_of_it():
    left = what_is_left(LIMIT, used(0, 70_000))
    assert (left.customer_total, left.customer_used, left.customer_left) == (None, usd(70_000), None)
