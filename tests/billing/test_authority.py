import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.authority import any_within, within_authority
from billing.money import Money
from billing.policy import AuthorityLimit


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


LIMIT = AuthorityLimit(per_item=usd(50_000), window_days=30, window_total=usd(120_000))


@pytest.mark.parametrize(
    ("amount", "used", "within"),
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
def test_an_amount_must_fit_the_item_and_the_window(amount, used, within):
    assert within_authority(LIMIT, usd(amount), usd(used)) is within


def test_no_limit_covers_another_currency():
    eur = Money(amount_minor=1, currency="eur")
    assert not within_authority(LIMIT, eur, Money.zero("eur"))
    assert not any_within([LIMIT], eur, {30: Money.zero("eur")})


def test_one_of_several_limits_is_enough():
    larger = AuthorityLimit(per_item=usd(90_000), window_days=7, window_total=usd(90_000))
    used = {30: usd(0), 7: usd(10_000)}
    assert any_within([LIMIT, larger], usd(80_000), used)
    assert not any_within([LIMIT, larger], usd(80_001), used)


def test_no_limit_is_no_authority():
    assert not any_within([], usd(0), {})


def test_a_window_that_was_not_counted_is_an_error_and_not_empty():
    with pytest.raises(KeyError):
        any_within([LIMIT], usd(1), {7: usd(0)})


@given(st.lists(st.integers(1, 60_000), max_size=12))
def test_splitting_does_not_help(parts):
    granted = 0
    for part in parts:
        if within_authority(LIMIT, usd(part), usd(granted)):
            granted += part
    assert granted <= 120_000
