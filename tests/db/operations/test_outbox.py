"""The outbox: claimed by one dispatcher at a time, tried again ever later, settled once."""

import asyncio
from datetime import datetime, timedelta

import pytest

from db.core.session import Database
from db.operations import outbox
from db.tables import Outbox

from ...support.builders import NOW


async def enqueue(database: Database, workflow_id: str, **fields: object) -> Outbox:
    async with database.transaction() as session:
        return await outbox.enqueue(
            session,
            action=outbox.START,
            workflow_id=workflow_id,
            name="PlanChangeWorkflow",
            payload={"operation": workflow_id},
            at=NOW,
            **fields,  # type: ignore[arg-type]
        )


async def due(database: Database, now: datetime, limit: int = 50) -> list[Outbox]:
    async with database.transaction() as session:
        return await outbox.due(session, now, limit)


async def test_what_was_enqueued_is_due_with_its_payload(database: Database) -> None:
    row = await enqueue(database, "w1")

    (claimed,) = await due(database, NOW)

    assert (claimed.id, claimed.action, claimed.workflow_id) == (row.id, "start", "w1")
    assert (claimed.payload, claimed.attempts) == ({"operation": "w1"}, 1)


@pytest.mark.parametrize("action", [outbox.START, outbox.UPDATE, outbox.SIGNAL, outbox.MAIL])
async def test_whatever_is_noted_is_sent_by_one_lane(database: Database, action: str) -> None:
    async with database.transaction() as session:
        row = await outbox.enqueue(session, action=action, workflow_id="w1", name="n", payload={}, at=NOW)
    claimed = []
    for lane in (outbox.TEMPORAL, outbox.MAILS):
        async with database.transaction() as session:
            claimed += await outbox.due(session, NOW, lane=lane)
    assert [one.id for one in claimed] == [row.id]


async def test_enqueueing_the_same_again_is_the_same_row(database: Database) -> None:
    row = await enqueue(database, "w1", update_id="u1")

    assert (await enqueue(database, "w1", update_id="u1")).id == row.id
    assert (await enqueue(database, "w1", update_id="u2")).id != row.id


async def test_a_transaction_that_fails_enqueues_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            await outbox.enqueue(session, action="start", workflow_id="w", name="W", payload={}, at=NOW)
            raise RuntimeError("the row that it belongs to could not be written")

    with pytest.raises(RuntimeError):
        await fail()
    assert await due(database, NOW) == []


async def test_a_claim_keeps_others_away_until_it_runs_out(database: Database) -> None:
    await enqueue(database, "w1")
    await due(database, NOW)

    assert await due(database, NOW + outbox.TEMPORAL.claim - timedelta(microseconds=1)) == []
    (again,) = await due(database, NOW + outbox.TEMPORAL.claim)
    assert again.attempts == 2


async def test_a_head_start_keeps_the_sweep_away_from_a_new_row(database: Database) -> None:
    await enqueue(database, "w1", due_at=NOW + timedelta(seconds=15))

    assert await due(database, NOW + timedelta(seconds=14)) == []
    assert len(await due(database, NOW + timedelta(seconds=15))) == 1


async def test_dispatchers_at_the_same_time_never_claim_the_same_row(
    database: Database, database_url: str
) -> None:
    rows = [await enqueue(database, f"w{n}") for n in range(30)]
    other = Database(database_url)  # connections of its own, like another process

    claims = await asyncio.gather(*(due((database, other)[n % 2], NOW, limit=7) for n in range(6)))
    await other.dispose()
    left = await due(database, NOW)

    claimed = [row.id for claim in [*claims, left] for row in claim]
    assert sorted(claimed) == sorted(row.id for row in rows)


async def test_a_claim_takes_no_more_than_asked_for_and_the_longest_waiting(database: Database) -> None:
    young = await enqueue(database, "young", due_at=NOW + timedelta(seconds=2))
    old = await enqueue(database, "old", due_at=NOW + timedelta(seconds=1))

    now = NOW + timedelta(seconds=2)
    assert [row.id for row in await due(database, now, limit=1)] == [old.id]
    assert [row.id for row in await due(database, now, limit=1)] == [young.id]


async def test_what_is_settled_is_not_due_again(database: Database) -> None:
    delivered, refused = await enqueue(database, "w1"), await enqueue(database, "w2")
    async with database.transaction() as session:
        await outbox.settle_delivered(session, delivered.id, at=NOW)
        await outbox.settle_refused(session, refused.id, at=NOW, error="already_ended: too late")

    assert await due(database, NOW + timedelta(days=1)) == []
    async with database.reading() as session:
        one, other = await session.get(Outbox, delivered.id), await session.get(Outbox, refused.id)
    assert one is not None
    assert other is not None
    assert (one.state, one.error, one.settled_at) == ("delivered", None, NOW)
    assert (other.state, other.error) == ("refused", "already_ended: too late")


async def test_a_late_postponement_does_not_undo_a_settlement(database: Database) -> None:
    row = await enqueue(database, "w1")
    async with database.transaction() as session:
        await outbox.settle_delivered(session, row.id, at=NOW)
        await outbox.postpone(session, row, at=NOW, error="no_worker")

    assert await due(database, NOW + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (5000, 60)]
)
async def test_every_failure_doubles_the_wait_up_to_a_minute(
    database: Database, attempts: int, seconds: int
) -> None:
    row = await enqueue(database, "w1")
    row.attempts = attempts
    async with database.transaction() as session:
        await outbox.postpone(session, row, at=NOW, error="temporal_unavailable")

    assert await due(database, NOW + timedelta(seconds=seconds, microseconds=-1)) == []
    (claimed,) = await due(database, NOW + timedelta(seconds=seconds))
    assert claimed.error == "temporal_unavailable"
