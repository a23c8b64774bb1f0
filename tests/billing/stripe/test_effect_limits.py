"""When one more change of an object is allowed."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing.stripe.effect_limits import LIMITS, Limit, until_free

NOW = datetime(2026, 4, 16, 12, tzinfo=UTC)
TWO_A_MINUTE = (Limit(2, timedelta(minutes=1)),)


def ago(*seconds: float) -> list[datetime]:
    return [NOW - timedelta(seconds=one) for one in seconds]


def test_it_waits_until_the_oldest_that_counts_is_out_of_the_window() -> None:
    assert until_free(TWO_A_MINUTE, ago(10, 40, 50), NOW) == timedelta(seconds=20)


def test_it_does_not_wait_while_there_is_room() -> None:
    assert until_free(TWO_A_MINUTE, ago(10), NOW) is None
    assert until_free(TWO_A_MINUTE, ago(10, 60), NOW) is None


def test_the_longest_wait_of_several_limits_counts() -> None:
    limits = (*TWO_A_MINUTE, Limit(3, timedelta(hours=1)))
    assert until_free(limits, ago(10, 40, 50), NOW) == timedelta(seconds=3550)


@given(st.lists(st.floats(0, 200_000), max_size=250))
def test_stripes_limits_are_never_exceeded(before: list[float]) -> None:
    limits = LIMITS["subscription.update"]
    newest_first = ago(*sorted(before))
    at = NOW + (until_free(limits, newest_first, NOW) or timedelta(0))
    for limit in limits:
        assert sum(at - one < limit.within for one in newest_first) < limit.most
