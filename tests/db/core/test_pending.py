"""Writes that wait for the last statement, and transactions that begin late."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from billing.core.events import EventCode
from db.core import pending, timeline
from db.core.postgres.late_begin import is_unbegun
from db.core.session import Database
from db.operations import operations
from db.tables import Operation, OperationObject, TimelineEvent

from ...support.builders import NOW, an_operation, store, tenant

on_postgres = pytest.mark.parametrize(
    "databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@contextmanager
def sent() -> Iterator[list[str]]:
    """The first words of each statement, and COMMIT where something was begun."""
    found: list[str] = []

    def statement(*given: Any) -> None:
        found.append(" ".join(given[2].split()[:2]))

    def commit(connection: Any) -> None:
        if not is_unbegun(connection):
            found.append("COMMIT")

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


def an_object(operation: Operation, id_: str = "in_1") -> OperationObject:
    return OperationObject(
        object_id=id_, operation_id=operation.id, organization_id=operation.organization_id
    )


async def objects_of(database: Database) -> set[str]:
    async with database.reading() as session:
        return set(await session.exec(select(OperationObject.object_id)))


async def tell(session: Any, operation: Operation, key: str) -> None:
    await timeline.append(session, operation.id, key=key, event=EventCode.CHECKED, actor="system", at=NOW)


async def an_operation_there(database: Database) -> Operation:
    operation = an_operation(await tenant(database))
    await store(database, operation)
    return operation


async def test_what_is_pending_is_there_for_whoever_asks_in_the_same_transaction(database: Database) -> None:
    operation = await an_operation_there(database)
    async with database.transaction() as session:
        await pending.store_later(session, an_object(operation))
        assert set(await session.exec(select(OperationObject.object_id))) == {"in_1"}


async def test_what_is_pending_is_rolled_back_with_its_transaction(database: Database) -> None:
    operation = await an_operation_there(database)
    with suppress(ZeroDivisionError):
        async with database.transaction() as session:
            await pending.store_later(session, an_object(operation))
            raise ZeroDivisionError
    assert await objects_of(database) == set()


async def test_what_was_added_after_an_event_is_there_with_it_or_neither_is(database: Database) -> None:
    operation = await an_operation_there(database)
    await store(database, an_object(operation))
    with suppress(IntegrityError):
        async with database.transaction() as session:
            await tell(session, operation, "first")
            session.add(an_object(operation))
    async with database.reading() as session:
        assert await timeline.read(session, operation.id) == []


async def test_what_is_pending_beside_no_event_is_written_all_the_same(database: Database) -> None:
    operation = await an_operation_there(database)
    async with database.transaction() as session:
        await pending.store_later(session, an_object(operation))
        await pending.store_later(session, an_object(operation, "in_2"))
    assert await objects_of(database) == {"in_1", "in_2"}


@on_postgres
async def test_one_statement_writes_events_and_what_goes_with_them_without_begin_and_commit(
    database: Database,
) -> None:
    operation = await an_operation_there(database)
    with sent() as statements:
        async with database.transaction() as session:
            await pending.store_later(session, an_object(operation))
            await tell(session, operation, "one")
            await pending.store_later(session, an_object(operation, "in_2"))
            await tell(session, operation, "two")
    assert statements == ["SELECT people.id,", "WITH write_0"]
    assert await objects_of(database) == {"in_1", "in_2"}


@on_postgres
async def test_a_transaction_begins_with_what_writes_before_its_last_statement(database: Database) -> None:
    operation = await an_operation_there(database)
    with suppress(ZeroDivisionError):
        async with database.transaction() as session:
            session.add(an_object(operation))
            await session.flush()
            raise ZeroDivisionError
    assert await objects_of(database) == set()


async def test_of_two_that_write_at_once_neither_loses_an_event_or_what_goes_with_it(
    database: Database,
) -> None:
    operation = await an_operation_there(database)

    async def write(number: int) -> None:
        async with database.transaction() as session:
            await pending.store_later(session, an_object(operation, f"in_{number}"))
            await tell(session, operation, f"event {number}")
            if number % 2:
                await tell(session, operation, f"another {number}")

    await asyncio.gather(*map(write, range(10)))

    assert await objects_of(database) == {f"in_{number}" for number in range(10)}
    async with database.reading() as session:
        found = (await session.exec(select(TimelineEvent.seq))).all()
    assert sorted(found) == list(range(1, 16))


async def test_events_of_an_operation_that_is_not_there_are_refused(database: Database) -> None:
    operation = an_operation(await tenant(database))
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await tell(session, operation, "one")


async def test_what_is_told_already_is_not_told_again_by_whoever_knows_the_last_event(
    database: Database,
) -> None:
    operation = await an_operation_there(database)
    async with database.transaction() as session:
        await tell(session, operation, "one")
    async with database.transaction() as session:
        await operations.lock(session, operation.id)
        for key in ("one", "two", "one", "three"):
            await tell(session, operation, key)
    async with database.transaction() as session:
        await operations.lock(session, operation.id)
        await tell(session, operation, "four")

    async with database.reading() as session:
        events = await timeline.read(session, operation.id)
    assert [(event.seq, event.key) for event in events] == [(1, "one"), (2, "two"), (3, "three"), (4, "four")]
    assert [event.prev_hash for event in events[1:]] == [event.hash for event in events[:-1]]


@on_postgres
async def test_whoever_has_locked_the_operation_need_not_look_for_its_last_event(database: Database) -> None:
    operation = await an_operation_there(database)
    with sent() as statements:
        async with database.transaction() as session:
            await operations.lock(session, operation.id)
            await tell(session, operation, "one")
            await tell(session, operation, "two")
    assert statements == ["SELECT operations.id,", "WITH first", "COMMIT"]


async def test_what_is_stored_twice_is_in_the_end_as_it_was_stored_last(database: Database) -> None:
    operation = an_operation(await tenant(database))
    async with database.transaction() as session:
        await pending.store_later(session, operation)
        for stage in ("checked", "issuing"):
            operation.stage = stage
            await pending.store_later(session, operation)
    async with database.reading() as session:
        assert (await operations.get_fresh(session, operation.id)).stage == "issuing"
