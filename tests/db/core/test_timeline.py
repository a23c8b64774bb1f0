"""The timeline: gapless, hash-chained, append-only."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing.core.errors import BrokenChain
from billing.core.events import EventCode
from billing.evidence.timeline import GENESIS, Event, verify_chain
from db.core import timeline
from db.core.session import Database
from db.tables import TimelineEvent

from ...support.builders import NOW, an_operation, store, tenant


async def an_operation_id(database: Database) -> str:
    operation = an_operation(await tenant(database))
    await store(database, operation)
    return operation.id


async def tell(
    database: Database,
    operation: str,
    key: str,
    *,
    event: EventCode = EventCode.CHECKED,
    at: datetime = NOW,
    detail: dict[str, Any] | None = None,
) -> None:
    async with database.transaction() as session:
        await timeline.append(session, operation, key=key, event=event, actor="system", at=at, detail=detail)


async def events_of(database: Database, operation: str) -> list[Event]:
    async with database.reading() as session:
        rows = await timeline.read(session, operation)
    return [Event(**row.model_dump(exclude={"operation_id", "key"})) for row in rows]


async def test_events_are_numbered_from_one_and_chained_from_the_genesis_hash(database: Database) -> None:
    operation = await an_operation_id(database)
    await tell(database, operation, "requested", detail={"plan": {"old": "growth", "new": "scale"}})
    await tell(database, operation, "previewed", at=NOW + timedelta(microseconds=1), detail={"lines": [1, 2]})

    first, second = await events_of(database, operation)
    assert (first.seq, first.code, first.detail) == (
        1,
        "checked",
        {"plan": {"old": "growth", "new": "scale"}},
    )
    assert (second.seq, second.at) == (2, NOW + timedelta(microseconds=1))
    assert (first.prev_hash, second.prev_hash) == (GENESIS, first.hash)
    verify_chain(operation, [first, second])


async def test_appending_a_key_again_changes_nothing_even_after_later_events(database: Database) -> None:
    operation = await an_operation_id(database)
    await tell(database, operation, "requested")
    await tell(database, operation, "previewed")
    before = await events_of(database, operation)

    await tell(database, operation, "requested", event=EventCode.CHECKED_AGAIN)

    assert await events_of(database, operation) == before


async def test_an_event_is_found_by_its_key(database: Database) -> None:
    operation, other = await an_operation_id(database), await an_operation_id(database)
    await tell(database, operation, "authority:1", detail={"why": "small"})
    await tell(database, operation, "authority:10")

    async with database.reading() as session:
        found = await timeline.find(session, operation, "authority:1")
        assert await timeline.find(session, operation, "authority:2") is None
        assert await timeline.find(session, other, "authority:1") is None
    assert found is not None
    assert (found.seq, found.detail) == (1, {"why": "small"})


async def test_several_events_in_one_transaction_follow_each_other(database: Database) -> None:
    operation = await an_operation_id(database)
    codes = [EventCode.PREVIEWED, EventCode.REVIEW_REQUESTED, EventCode.APPROVED]
    async with database.transaction() as session:
        for event in codes:
            await timeline.append(session, operation, key=event, event=event, actor="system", at=NOW)

    events = await events_of(database, operation)
    assert [event.code for event in events] == codes
    verify_chain(operation, events)


async def test_many_writers_at_once_leave_a_gapless_chain(database: Database, database_url: str) -> None:
    operation = await an_operation_id(database)
    other = Database(database_url)  # connections of its own, like another process

    await asyncio.gather(
        *(tell((database, other)[n % 2], operation, f"event {n}", detail={"n": n}) for n in range(40))
    )
    await other.dispose()

    events = await events_of(database, operation)
    assert [event.seq for event in events] == list(range(1, 41))
    assert {event.detail["n"] for event in events} == set(range(40))
    verify_chain(operation, events)


async def test_what_several_transactions_tell_at_once_stays_together(
    database: Database, database_url: str
) -> None:
    operation = await an_operation_id(database)
    other = Database(database_url)

    async def tell_three(n: int) -> None:
        async with (database, other)[n % 2].transaction() as session:
            for part in range(3):
                await timeline.append(
                    session,
                    operation,
                    key=f"{n}:{part}",
                    event=EventCode.CHECKED,
                    actor="system",
                    at=NOW,
                    detail={"n": n, "part": part},
                )

    await asyncio.gather(*map(tell_three, range(20)))
    await other.dispose()

    events = await events_of(database, operation)
    assert [event.detail["part"] for event in events] == [0, 1, 2] * 20
    assert all(events[at].detail["n"] == events[at + 2].detail["n"] for at in range(0, 60, 3))
    verify_chain(operation, events)


async def test_what_was_appended_is_seen_in_its_own_transaction(database: Database) -> None:
    operation = await an_operation_id(database)
    async with database.transaction() as session:
        for key in ("first", "second", "first"):
            await timeline.append(
                session, operation, key=key, event=EventCode.CHECKED, actor="system", at=NOW
            )
        assert [row.key for row in await timeline.read(session, operation)] == ["first", "second"]


async def test_the_same_event_from_many_writers_at_once_is_there_once(
    database: Database, database_url: str
) -> None:
    operation = await an_operation_id(database)
    other = Database(database_url)

    await asyncio.gather(*(tell((database, other)[n % 2], operation, "paid") for n in range(10)))
    await other.dispose()

    assert len(await events_of(database, operation)) == 1


async def test_operations_have_timelines_of_their_own(database: Database) -> None:
    one, other = await an_operation_id(database), await an_operation_id(database)
    await tell(database, one, "requested")
    await tell(database, other, "requested")

    assert [event.seq for event in await events_of(database, other)] == [1]
    verify_chain(other, await events_of(database, other))


@pytest.mark.parametrize(
    "change", ["UPDATE timeline SET actor = 'somebody else'", "DELETE FROM timeline WHERE seq = 1"]
)
async def test_the_database_refuses_to_change_or_delete_an_event(database: Database, change: str) -> None:
    operation = await an_operation_id(database)
    await tell(database, operation, "requested")
    before = await events_of(database, operation)

    with pytest.raises(IntegrityError, match="the timeline is append-only"):
        async with database.transaction() as session:
            await (await session.connection()).execute(text(change))

    assert await events_of(database, operation) == before


async def test_an_event_that_was_slipped_in_breaks_the_chain(database: Database) -> None:
    operation = await an_operation_id(database)
    await tell(database, operation, "requested")
    forged = TimelineEvent(
        operation_id=operation,
        seq=2,
        key="approved",
        at=NOW,
        actor="nobody",
        code="approved",
        detail={},
        prev_hash=(await events_of(database, operation))[0].hash,
        hash="f" * 64,
    )
    await store(database, forged)

    with pytest.raises(BrokenChain) as broken:
        verify_chain(operation, await events_of(database, operation))
    assert broken.value.seq == 2


async def test_an_event_of_an_unknown_operation_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await tell(database, "op_unknown", "requested")
