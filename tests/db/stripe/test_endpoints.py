"""Stripe's limits of single endpoints, shared by all processes."""

import pytest

from db.core.session import Database
from db.stripe import budget, endpoints
from db.stripe.endpoints import EndpointTurn

PREVIEW, READ = "POST /v1/invoices/create_preview", "GET /v1/invoices/{id}"
SLOW = 0.001
"""An interval so long that it doesn't matter how slow the machine is."""


async def take(database: Database, endpoint: str, pace: float = 100.0) -> EndpointTurn:
    async with database.statement() as session:
        return await endpoints.take(session, endpoint, pace)


async def pause(database: Database, seconds: float | None, back_off: float = 5.0, ago: float = 0.0) -> None:
    async with database.transaction() as session:
        await endpoints.pause(session, PREVIEW, seconds=seconds, back_off=back_off, sent_ago=ago)


async def test_each_endpoint_has_a_pace_of_its_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "RATE", SLOW)
    monkeypatch.setattr(endpoints, "SHARE", SLOW)
    first, second, other = [await take(database, one, 1.0) for one in (PREVIEW, PREVIEW, READ)]
    assert (first.wait, other.wait) == (0.0, 0.0)
    assert second.wait == pytest.approx(1 / SLOW, rel=0.1)


async def test_it_is_a_quarter_of_what_the_account_may_send_and_no_less_than_stripe_takes() -> None:
    assert [endpoints.rate(pace) for pace in (20.0, 90.0, 400.0)] == [23.5, 23.5, 100.0]


async def test_a_pause_holds_for_that_endpoint_and_who_takes_a_slot_hears_that_there_is_one(
    database: Database,
) -> None:
    async with database.statement() as session:
        before = await budget.take(session, 20.0)
    await pause(database, 60.0)
    async with database.statement() as session:
        after = await budget.take(session, 20.0)
    assert before.endpoint_paused == 0.0
    assert after.endpoint_paused == pytest.approx(60, abs=10)
    assert (await take(database, PREVIEW)).wait == pytest.approx(60, abs=10)
    assert (await take(database, READ)).wait == 0.0


async def test_each_refusal_without_a_time_pauses_twice_as_long_until_it_is_answered(
    database: Database,
) -> None:
    waits = []
    for _ in range(4):
        await pause(database, None, ago=-100.0)  # sent after the pause before had ended
        waits.append((await take(database, PREVIEW)).wait)
    assert waits == [pytest.approx(seconds, abs=2.5) for seconds in (5, 10, 20, 30)]
    async with database.statement() as session:
        await endpoints.answered(session, PREVIEW)
    assert (await take(database, PREVIEW)).refusals == 0


async def test_a_refusal_long_after_the_pause_before_is_the_first_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await pause(database, 0.0, ago=-100.0)
    monkeypatch.setattr(endpoints, "FORGOTTEN_AFTER", -1.0)
    await pause(database, None)
    found = await take(database, PREVIEW)
    assert (found.refusals, found.wait) == (1, pytest.approx(5, abs=2.5))


async def test_of_several_refused_at_the_same_moment_the_first_one_counts(database: Database) -> None:
    await pause(database, None)
    for _ in range(3):
        await pause(database, None, ago=1.0)
    found = await take(database, PREVIEW)
    assert (found.refusals, found.wait) == (1, pytest.approx(5, abs=2.5))
