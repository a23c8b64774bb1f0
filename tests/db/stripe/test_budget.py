"""The account's slots: evenly spaced over all who take them, at the pace that holds at this moment."""

import asyncio
import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from db.core.session import Database
from db.stripe import budget as stripe_budgets
from db.stripe.budget import Slots
from db.tables import StripeBudget


async def take(database: Database, rate: float, **how: float) -> Slots:
    async with database.statement() as session:
        return await stripe_budgets.take(session, rate, **how)  # type: ignore[arg-type]


async def budget(database: Database) -> StripeBudget:
    async with database.reading() as session:
        return await stripe_budgets.read(session)


async def pause(database: Database, seconds: float, **how: float) -> None:
    async with database.transaction() as session:
        await stripe_budgets.pause(
            session,
            100.0,
            seconds=seconds,
            reason="global-rate",
            slow_down=bool(how.get("slow_down", True)),
            sent_ago=how.get("sent_ago", 0.0),
        )


async def test_no_two_processes_ever_get_slots_closer_than_the_pace(
    database: Database, database_url: str
) -> None:
    rate, each = 0.1, 10  # so slow that it does not matter how late a process learns of its slots
    other = Database(database_url)
    told: list[float] = []

    async def one(records: Database, count: int) -> None:
        for _ in range(each):
            slots = await take(records, rate, count=count)
            now = time.time()
            told.extend(now + slots.wait + number * slots.interval for number in range(count))

    try:
        await asyncio.gather(one(database, 1), one(other, 1), one(database, 3), one(other, 2))
    finally:
        await other.dispose()
    told.sort()
    gaps = [later - earlier for earlier, later in pairwise(told)]
    assert len(told) == 7 * each
    assert min(gaps) > 0.5 / rate
    assert told[-1] - told[0] == pytest.approx((len(told) - 1) / rate, abs=0.5 / rate)


async def test_a_slot_is_free_at_once_when_nothing_was_sent_for_a_while(database: Database) -> None:
    began = time.time()
    first = await take(database, 0.05)
    free_at = (await budget(database)).next_at
    second = await take(database, 0.05)
    assert began <= free_at - 20.0 <= time.time()
    assert first.wait <= 0
    assert 0 < second.wait <= 20.0
    assert (second.interval, second.held) == (20.0, False)
    assert (await budget(database)).next_at == pytest.approx(free_at + 20.0)


async def test_an_operators_pace_holds_from_the_next_slot_on(database: Database) -> None:
    await take(database, 100.0)
    async with database.transaction() as session:
        await stripe_budgets.set_rate(session, 2.0, by="ops", at=datetime.now(UTC))
    assert (await take(database, 100.0)).interval == 0.5
    async with database.transaction() as session:
        await stripe_budgets.set_rate(session, None, by="ops", at=datetime.now(UTC))
    assert (await take(database, 100.0)).interval == 0.01


async def test_a_pause_moves_every_slot_behind_it_and_slows_down(database: Database) -> None:
    await take(database, 100.0)
    await pause(database, 60.0)
    slots = await take(database, 100.0)
    assert 50.0 < slots.wait <= 60.0
    assert 75.0 <= 1 / slots.interval < 76.0
    assert (await budget(database)).pause_reason == "global-rate"


async def test_several_refusals_of_one_moment_slow_down_once(database: Database) -> None:
    await pause(database, 10.0)
    await pause(database, 60.0, sent_ago=0.1)
    assert (await budget(database)).slowed_to == 75.0
    assert (await take(database, 100.0)).wait > 50.0


async def test_a_shorter_pause_does_not_end_a_longer_one(database: Database) -> None:
    await pause(database, 60.0)
    await pause(database, 0.1, slow_down=False)
    assert (await take(database, 100.0)).wait > 50.0


async def test_the_pace_grows_back_with_what_is_sent(database: Database) -> None:
    await pause(database, 0.0)
    paces = [1 / (await take(database, 100.0, count=50)).interval for _ in range(20)]
    assert paces == sorted(paces)
    assert paces[0] < 80.0
    assert paces[-1] == 100.0
    assert (await budget(database)).slowed_to is None


async def test_nothing_is_slowed_below_a_request_a_second(database: Database) -> None:
    for _ in range(20):
        await pause(database, 0.0)
    assert (await budget(database)).slowed_to == stripe_budgets.SLOWEST


async def test_a_closed_gate_gives_no_slots_but_to_who_tries(database: Database) -> None:
    at = datetime(2026, 4, 16, tzinfo=UTC)
    async with database.transaction() as session:
        await stripe_budgets.close_gate(session, at)
        await stripe_budgets.try_with(session, "operation-1")
    before = (await budget(database)).next_at
    held = await take(database, 10.0)
    assert (held.held, held.trial) == (True, "operation-1")
    assert (await budget(database)).next_at == before
    await take(database, 10.0, through=True)
    assert (await budget(database)).next_at > before
    async with database.transaction() as session:
        await stripe_budgets.close_gate(session, datetime.now(UTC))  # once more: since when it was
    assert ((await budget(database)).held_since, (await budget(database)).trial) == (at, None)
    async with database.transaction() as session:
        await stripe_budgets.open_gate(session)
    assert not (await take(database, 10.0)).held
