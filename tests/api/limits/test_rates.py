"""The rate of one API key: in one process, by a clock that the test moves, and over all of them."""

import asyncio
import time
from typing import Any

import pytest

from api.limits.rates import BURST, KeyRates, Rates
from api.problems.problem import ApiProblem
from db.core import paces
from db.core.session import Database


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def accepted(rates: Rates, key: str, times: int) -> int:
    return sum(rates.wait(key) == 0.0 for _ in range(times))


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


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is counted in the records, in its order."""
    names, take = list[str](), paces.take

    async def noted(session: Any, name: str, **more: float) -> float:
        names.append(name)
        return await take(session, name, **more)

    monkeypatch.setattr("api.limits.rates.paces.take", noted)
    return names


async def hits(rates: KeyRates, times: int, key: str = "a") -> int:
    """How many of so many requests are let in."""
    done = 0
    for _ in range(times):
        try:
            await rates.hit(key)
        except ApiProblem:
            continue
        done += 1
    return done


@pytest.mark.parametrize(("a_second", "wait"), [(100, "1"), (0.1, "10")])
async def test_a_refusal_says_how_long_to_wait(database: Database, a_second: float, wait: str) -> None:
    rates = KeyRates(database, a_second, Clock())
    await hits(rates, 100)
    with pytest.raises(ApiProblem) as refused:
        await rates.hit("a")
    assert (refused.value.type.code, refused.value.headers) == ("rate_limited", {"Retry-After": wait})


async def test_many_processes_let_in_what_one_would_and_what_each_gives_without_asking(
    database: Database,
) -> None:
    began = time.monotonic()
    processes = [KeyRates(database, 50, Clock()) for _ in range(8)]
    let_in = [await hits(process, 60) for process in processes]
    took = time.monotonic() - began
    assert let_in[0] == 50, "a burst of one process"
    assert 100 <= sum(let_in) <= 8 * 5 + 50 * (BURST + took) + 10
    assert sum(let_in) < 8 * 50


async def test_most_requests_ask_the_database_nothing(database: Database, taken: list[str]) -> None:
    clock = Clock()
    rates = KeyRates(database, 100, clock)
    for _ in range(50):
        await rates.hit("seldom")
        clock.now += 1.0
    assert taken == []
    for _ in range(100):
        await rates.hit("often")
        clock.now += 0.01
    assert taken == ["requests often"] * 5


async def test_many_requests_at_once_ask_once(database: Database, taken: list[str]) -> None:
    rates = KeyRates(database, 100, Clock())
    await asyncio.gather(*(rates.hit("a") for _ in range(30)))
    assert taken == ["requests a"]


async def test_a_key_that_was_refused_asks_nothing_until_its_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = Clock(), []

    async def refuse(*_: object, **__: object) -> float:
        asked.append(clock.now)
        return 1.5

    monkeypatch.setattr("api.limits.rates.paces.take", refuse)
    rates = KeyRates(database, 10, clock)
    await hits(rates, 1)  # what is given without asking
    assert await hits(rates, 5) == 0
    clock.now += 1.0
    assert await hits(rates, 5) == 0
    clock.now += 0.6
    assert await hits(rates, 1) == 0
    assert asked == [1000.0, 1001.6]
