"""The rate of one API key, by a clock that the test moves."""

import pytest

from api.limits.rates import Rates
from api.problems.problem import ApiProblem


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def accepted(rates: Rates, key: str, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            rates.hit(key)
        except ApiProblem:
            continue
        count += 1
    return count


def test_one_seconds_worth_may_come_at_once_and_no_more() -> None:
    assert accepted(Rates(100, Clock()), "a", 250) == 100


def test_a_steady_stream_at_the_rate_is_never_refused() -> None:
    clock = Clock()
    rates = Rates(100, clock)
    for _ in range(1000):
        assert accepted(rates, "a", 1) == 1
        clock.now += 0.01


def test_room_comes_back_with_time() -> None:
    clock = Clock()
    rates = Rates(100, clock)
    accepted(rates, "a", 100)
    clock.now += 0.25
    assert accepted(rates, "a", 100) == 25
    clock.now += 3600
    assert accepted(rates, "a", 250) == 100


def test_one_key_does_not_slow_another() -> None:
    rates = Rates(2, Clock())
    accepted(rates, "a", 10)
    assert accepted(rates, "b", 10) == 2


@pytest.mark.parametrize(("a_second", "wait"), [(100, "1"), (0.1, "10")])
def test_a_refusal_says_how_long_to_wait(a_second: float, wait: str) -> None:
    rates = Rates(a_second, Clock())
    accepted(rates, "a", 100)
    with pytest.raises(ApiProblem) as refused:
        rates.hit("a")
    assert (refused.value.type.code, refused.value.headers) == ("rate_limited", {"Retry-After": wait})


def test_a_burst_is_calm_at_first_and_then_not_before_it_has_been_over_for_a_second() -> None:
    clock = Clock()
    rates = Rates(20, clock)
    assert [rates.calm("a") for _ in range(20)] == [True] * 20
    assert [rates.calm("a") for _ in range(10)] == [False] * 10
    for _ in range(100):  # thirty a second
        clock.now += 1 / 30
        assert not rates.calm("a")
    clock.now += 0.9
    assert not rates.calm("a")
    clock.now += 1.1
    assert rates.calm("a")
    assert rates.calm("b")
