"""Transactions that lock nothing before they write, and hold what they have read against the timeline."""

import asyncio

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.operations import State
from db.core import timeline
from db.core.session import Database
from db.operations import operations
from db.tables import Operation

from ...support.builders import NOW
from .test_pending import an_operation_there, on_postgres, sent, tell

pytestmark = on_postgres


async def moved_on(session: AsyncSession, operation: Operation, stage: str) -> None:
    if await operations.move_on(session, operation.id, state=State.RUNNING, stage=stage, at=NOW):
        await tell(session, operation, stage)


async def ended(session: AsyncSession, operation: Operation) -> None:
    await operations.move_on(session, operation.id, state=State.CANCELLED, stage="done", at=NOW)
    await tell(session, operation, "ended")


async def keys(database: Database, operation: Operation) -> list[str]:
    async with database.reading() as session:
        return [event.key for event in await timeline.read(session, operation.id)]


async def test_what_is_held_is_read_and_written_by_a_statement_each(database: Database) -> None:
    operation = await an_operation_there(database)

    async def work(session: AsyncSession) -> None:
        await moved_on(session, operation, "checked")
        await moved_on(session, operation, "applying")

    with sent() as statements:
        await database.held(work)

    assert statements == ["SELECT operations.id,", "WITH locked"]
    assert await keys(database, operation) == ["checked", "applying"]
    async with database.reading() as session:
        assert (await operations.get_fresh(session, operation.id)).stage == "applying"


async def test_whoever_was_overtaken_by_an_event_does_it_again_under_the_lock(database: Database) -> None:
    operation = await an_operation_there(database)
    seen = []

    async def work(session: AsyncSession) -> None:
        seen.append((await operations.lock(session, operation.id)).stage)
        if len(seen) == 1:
            async with database.transaction() as other:
                await moved_on(other, operation, "overtaking")
        await tell(session, operation, "held")

    await database.held(work)

    assert seen == [operation.stage, "overtaking"]
    assert await keys(database, operation) == ["overtaking", "held"]


async def test_nothing_is_written_for_an_operation_that_another_transaction_is_just_ending(
    database: Database,
) -> None:
    operation = await an_operation_there(database)
    read, locked = asyncio.Event(), asyncio.Event()
    closed = []

    async def work(session: AsyncSession) -> None:
        found = await operations.lock(session, operation.id)
        closed.append(found.closed_at)
        read.set()
        await locked.wait()
        if found.closed_at is None:
            await tell(session, operation, "begun")

    async def end() -> None:
        await read.wait()
        async with database.transaction() as session:
            await operations.lock(session, operation.id)
            locked.set()
            await asyncio.sleep(0.3)  # the other one wants to write meanwhile, and waits
            await ended(session, operation)

    await asyncio.gather(database.held(work), end())

    assert closed == [None, NOW]
    assert await keys(database, operation) == ["ended"]


@pytest.mark.parametrize("later", ["neither", "what is held", "the end"])
async def test_whoever_ends_an_operation_sees_what_was_held_and_written_before(
    database: Database, later: str
) -> None:
    operation = await an_operation_there(database)

    async def work(session: AsyncSession) -> None:
        await operations.lock(session, operation.id)
        await asyncio.sleep(0.2 * (later == "what is held"))
        await moved_on(session, operation, "applying")

    async def end() -> str:
        await asyncio.sleep(0.2 * (later == "the end"))
        async with database.transaction() as session:
            stage = (await operations.lock(session, operation.id)).stage
            await ended(session, operation)
        return stage

    _, stage = await asyncio.gather(database.held(work), end())

    there = await keys(database, operation)
    assert there == (["applying", "ended"] if stage == "applying" else ["ended"])
    assert later == "neither" or (stage == "applying") == (later == "the end")


async def test_what_was_told_before_is_not_told_again_by_what_is_held(database: Database) -> None:
    operation = await an_operation_there(database)

    async def work(session: AsyncSession) -> None:
        await operations.lock(session, operation.id)
        await timeline.append(
            session, operation.id, key="once", event=EventCode.CHECKED, actor="system", at=NOW
        )

    await database.held(work)
    await database.held(work)

    assert await keys(database, operation) == ["once"]


async def test_many_that_hold_the_same_operation_leave_an_event_each(database: Database) -> None:
    operation = await an_operation_there(database)

    def work(number: int):  # type: ignore[no-untyped-def]
        async def one(session: AsyncSession) -> None:
            await operations.lock(session, operation.id)
            await tell(session, operation, f"event {number}")

        return one

    await asyncio.gather(*(database.held(work(number)) for number in range(8)))

    assert sorted(await keys(database, operation)) == [f"event {number}" for number in range(8)]
