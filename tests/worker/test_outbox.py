"""The outbox as a worker sweeps it: all that is due, each workflow's in order, nobody behind what is slow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from billing.core.delivery import Delivery
from db.core.session import Database
from db.operations import outbox as db_outbox
from db.tables import Outbox
from worker import listening, outbox
from worker.outbox import OutboxSweep

from ..support.builders import NOW
from ..support.house import running, until

LATER = NOW + timedelta(minutes=1)
DELIVERED = Delivery(outcome="delivered")


async def enqueue(database: Database, workflow_id: str = "w1", **fields: Any) -> Outbox:
    given: dict[str, Any] = {"action": "start", "name": "PlanChangeWorkflow", "payload": {}, "at": NOW}
    async with database.transaction() as session:
        return await db_outbox.enqueue(session, workflow_id=workflow_id, **given | fields)


async def kept(database: Database, row: Outbox) -> Outbox:
    async with database.reading() as session:
        found = await session.get(Outbox, row.id)
    assert found is not None
    return found


class Temporal:
    """Takes everything, and keeps by workflow and name what it was told; `slow` waits to be let go."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.at_once = self.most = 0
        self.let_go = asyncio.Event()

    async def send(self, row: Outbox) -> Delivery:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        if row.workflow_id == "slow":
            await self.let_go.wait()
        self.told.append(f"{row.workflow_id} {row.action}")
        self.at_once -= 1
        return DELIVERED


def sweep_of(database: Database, temporal: Temporal, at_once: int = outbox.AT_ONCE) -> OutboxSweep:
    return OutboxSweep(database, temporal.send, lambda: LATER, at_once=at_once)


async def test_everything_due_is_delivered_and_no_more_at_a_time_than_there_is_room(
    database: Database,
) -> None:
    for number in range(11):
        await enqueue(database, f"w{number:02}")
    temporal = Temporal()

    assert await sweep_of(database, temporal, at_once=4).sweep() == 11

    assert sorted(temporal.told) == [f"w{number:02} start" for number in range(11)]
    assert temporal.most == 4


async def test_what_is_not_due_yet_is_left_alone(database: Database) -> None:
    await enqueue(database, due_at=LATER + timedelta(seconds=1))
    temporal = Temporal()

    assert (await sweep_of(database, temporal).sweep(), temporal.told) == (0, [])


async def test_sweeps_at_the_same_time_send_each_row_once(database: Database) -> None:
    for number in range(20):
        await enqueue(database, f"w{number:02}")
    other = Database(database.url)  # another process
    temporal = Temporal()

    counts = await asyncio.gather(*(sweep_of((database, other)[n % 2], temporal).sweep() for n in range(6)))
    await other.dispose()

    assert sum(counts) == 20
    assert sorted(temporal.told) == [f"w{number:02} start" for number in range(20)]


async def test_a_worker_that_died_leaves_its_rows_to_the_next_when_its_claim_runs_out(
    database: Database,
) -> None:
    await enqueue(database)
    async with database.transaction() as session:
        await db_outbox.due(session, NOW)
    temporal = Temporal()

    before = OutboxSweep(
        database, temporal.send, lambda: NOW + db_outbox.TEMPORAL.claim - timedelta(seconds=1)
    )
    after = OutboxSweep(database, temporal.send, lambda: NOW + db_outbox.TEMPORAL.claim)

    assert (await before.sweep(), await after.sweep(), temporal.told) == (0, 1, ["w1 start"])


async def test_one_that_breaks_does_not_break_the_others(database: Database) -> None:
    rows = [await enqueue(database, name) for name in ("w1", "broken", "w2")]
    temporal, broken = Temporal(), asyncio.Event()

    async def send(row: Outbox) -> Delivery:
        if row.workflow_id == "broken":
            broken.set()
            raise ValueError("a bug")
        await broken.wait()
        return await temporal.send(row)

    assert await OutboxSweep(database, send, lambda: LATER).sweep() == 3

    assert sorted(temporal.told) == ["w1 start", "w2 start"]
    assert [(await kept(database, row)).state for row in rows] == ["delivered", "pending", "delivered"]
    left = await kept(database, rows[1])
    assert (left.error or "").startswith("ValueError at ")
    assert left.next_attempt_at == LATER + timedelta(seconds=1)


async def test_records_that_go_away_leave_their_row_claimed_and_the_others_delivered(
    database: Database,
) -> None:
    rows = [await enqueue(database, name) for name in ("w1", "away", "w2")]

    async def send(row: Outbox) -> Delivery:
        if row.workflow_id == "away":
            raise ConnectionRefusedError("no database")
        return DELIVERED

    await OutboxSweep(database, send, lambda: LATER).sweep()

    assert [(await kept(database, row)).state for row in rows] == ["delivered", "pending", "delivered"]
    left = await kept(database, rows[1])
    assert (left.error, left.next_attempt_at) == (None, LATER + db_outbox.TEMPORAL.claim)


async def told(temporal: Temporal, *expected: str) -> None:
    async def all_of_it() -> bool:
        return temporal.told == list(expected)

    await until(all_of_it, lambda: f"told {temporal.told}, expected {expected}")


async def test_a_workflow_that_is_slow_to_take_keeps_no_other_waiting_and_gets_its_own_in_order(
    database: Database,
) -> None:
    temporal = Temporal()
    async with running(sweep_of(database, temporal).run()):
        await enqueue(database, "slow")
        await until(lambda: _is(temporal.at_once == 1), lambda: "it was never begun")
        await enqueue(database, "slow", action="update", name="cancel", update_id="u1")
        await enqueue(database, "quick")
        await told(temporal, "quick start")
        temporal.let_go.set()
        await told(temporal, "quick start", "slow start", "slow update")


async def test_rows_of_a_slow_workflow_take_up_room_once_however_often_their_claims_run_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOK_EVERY", 0.01)
    temporal, now = Temporal(), LATER
    async with running(OutboxSweep(database, temporal.send, lambda: now, at_once=4).run()):
        await enqueue(database, "slow")
        await enqueue(database, "slow", action="update", name="cancel", update_id="u1")
        await until(lambda: _is(temporal.at_once == 1), lambda: "it was never begun")
        for _ in range(5):
            now += db_outbox.TEMPORAL.claim
            await asyncio.sleep(0.1)
        await enqueue(database, "quick")
        await told(temporal, "quick start")
        temporal.let_go.set()
        await told(temporal, "quick start", "slow start", "slow update")
        now += db_outbox.TEMPORAL.claim
        await enqueue(database, "quick", action="update", name="cancel", update_id="u2")
        await told(temporal, "quick start", "slow start", "slow update", "quick update")


async def _is(found: bool) -> bool:
    return found


async def test_the_sweep_goes_on_after_records_that_were_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporal, tries = Temporal(), 0
    claim: Callable[..., Any] = outbox.claim_due

    async def away_at_first(*given: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionRefusedError("no database")
        return await claim(*given)

    monkeypatch.setattr(outbox, "claim_due", away_at_first)
    monkeypatch.setattr(listening, "LOOK_EVERY", 0.01)
    await enqueue(database)
    async with running(sweep_of(database, temporal).run()):
        await told(temporal, "w1 start")


# --- What PostgreSQL says ---------------------------------------------------------------------------------


@asynccontextmanager
async def hearing(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Temporal]:
    """Sweeps of both lanes that hardly ever look by themselves, once one listens; one place takes all."""
    temporal = Temporal()
    sweep = sweep_of(database, temporal)
    mails = OutboxSweep(database, temporal.send, lambda: LATER, lane=db_outbox.MAILS, beside=sweep)
    async with running(sweep.run()), running(mails.run()):
        await until(lambda: _listens(database), lambda: "not one listens")
        monkeypatch.setattr(listening, "LOOK_EVERY", 3600.0)
        await asyncio.sleep(1.2)  # the last short look is over
        yield temporal


async def _listens(database: Database) -> bool:
    async with database.reading() as session:
        found = await session.exec(
            text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")  # type: ignore[call-overload]
        )
        return bool(found.scalar() == 1)


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_what_is_due_when_it_is_written_is_heard_of_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hearing(database, monkeypatch) as temporal:
        await enqueue(database, "later", due_at=NOW + timedelta(seconds=15))
        await asyncio.sleep(0.3)
        assert temporal.told == []  # the API sends that itself
        await enqueue(database, "now")
        await told(temporal, "later start", "now start")
        await enqueue(database, "mail", action=db_outbox.MAIL)
        await told(temporal, "later start", "now start", "mail mail")


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_a_lost_connection_is_listened_on_anew_and_what_was_missed_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LISTEN_AGAIN", 0.2)
    async with hearing(database, monkeypatch) as temporal:
        async with database.transaction() as session:
            await session.exec(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")  # type: ignore[call-overload]
            )
        await enqueue(database)
        await told(temporal, "w1 start")
