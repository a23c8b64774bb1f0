"""A snapshot shows one moment, whatever is committed meanwhile, and keeps nobody from writing."""

from datetime import timedelta

import pytest
from sqlmodel import select

from billing.core.events import EventCode
from billing.evidence.timeline import Event, verify_chain
from db.core import timeline
from db.core.session import Database
from db.core.timeline import NewEvent
from db.tables import TimelineEvent

from ...support.builders import NOW, an_operation, store, tenant


def new(key: str, minutes: int = 0) -> NewEvent:
    return NewEvent(key, EventCode.CHECKED, "system", NOW + timedelta(minutes=minutes), {"key": key})


async def append(database: Database, operation_id: str, one: NewEvent) -> None:
    async with database.transaction() as session:
        await timeline.append(
            session,
            operation_id,
            key=one.key,
            event=one.event,
            actor=one.actor,
            at=one.at,
            detail=one.detail,
        )


async def test_what_is_committed_meanwhile_is_not_seen(database: Database) -> None:
    operation = an_operation(await tenant(database))
    await store(database, operation)
    await append(database, operation.id, new("first"))
    async with database.snapshot() as session:
        before = await timeline.read(session, operation.id)
        await append(database, operation.id, new("second"))
        session.expunge_all()
        again = await timeline.read(session, operation.id)
    assert [event.key for event in before] == [event.key for event in again] == ["first"]
    async with database.snapshot() as session:
        assert [event.key for event in await timeline.read(session, operation.id)] == ["first", "second"]


async def break_off(database: Database, operation_id: str) -> None:
    async with database.snapshot() as session:
        await timeline.read(session, operation_id)
        raise RuntimeError("in the middle")


async def test_a_snapshot_that_breaks_leaves_the_connection_usable(database: Database) -> None:
    operation = an_operation(await tenant(database))
    await store(database, operation)
    for _ in range(20):
        with pytest.raises(RuntimeError, match="in the middle"):
            await break_off(database, operation.id)
    await append(database, operation.id, new("first"))
    async with database.reading() as session:
        assert [event.key for event in await timeline.read(session, operation.id)] == ["first"]


async def test_the_first_events_are_written_together_and_followed_by_others(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme)
    async with database.transaction() as session:
        session.add(operation)
        await timeline.begin(session, operation, new("requested"), new("noted"))
    await append(database, operation.id, new("noted"))  # a repeated key changes nothing
    await append(database, operation.id, new("checked", 1))
    async with database.reading() as session:
        rows = await timeline.read(session, operation.id)
    assert [(row.seq, row.key) for row in rows] == [(1, "requested"), (2, "noted"), (3, "checked")]
    verify_chain(operation.id, [Event.model_validate(row) for row in _plain(rows)])


async def test_a_beginning_that_is_rolled_back_leaves_nothing(database: Database) -> None:
    acme = await tenant(database)
    operation = an_operation(acme)

    async def begin_and_break_off() -> None:
        async with database.transaction() as session:
            session.add(operation)
            await timeline.begin(session, operation, new("requested"))
            raise RuntimeError("never mind")

    with pytest.raises(RuntimeError, match="never mind"):
        await begin_and_break_off()
    async with database.reading() as session:
        assert (await session.exec(select(TimelineEvent))).all() == []


def _plain(rows: list[TimelineEvent]) -> list[dict[str, object]]:
    return [row.model_dump(include=set(Event.model_fields)) for row in rows]
