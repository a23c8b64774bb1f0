"""Incidents, holds, the gate and the counts in the records, on both databases."""

import asyncio
from datetime import timedelta

from billing.incidents.health import BUCKET
from billing.incidents.messages import IncidentKept
from billing.incidents.states import Component
from db.core.session import Database
from db.incidents import health_counts, holds, incidents, turns
from db.incidents.health_meter import HealthMeter, bucket_of
from db.stripe import budget
from db.tables import Incident, StripeBudget

from ...support.builders import NOW, an_operation, store, tenant
from ...support.incidents import a_hold, counted


def kept(**fields: object) -> IncidentKept:
    defaults = {
        "incident": "inc_1",
        "component": Component.DATABASE,
        "opened_at": NOW,
        "first_fault_at": NOW,
        "cause": "unreachable",
        "alerted_at": None,
        "recovered_at": None,
        "alerts": 0,
        "recoveries": 0,
        "at": NOW,
    }
    return IncidentKept.model_validate(defaults | fields)


async def test_of_several_that_open_at_the_same_moment_one_does(database: Database) -> None:
    async def begin(number: int) -> bool:
        async with database.transaction() as session:
            return await incidents.begin(
                session, Incident(id=f"inc_{number}", component="mail", opened_at=NOW)
            )

    assert sorted(await asyncio.gather(*map(begin, range(4)))) == [False, False, False, True]


async def test_a_row_is_made_when_it_can_be_and_changed_until_it_is_cleared(database: Database) -> None:
    async with database.transaction() as session:
        await incidents.keep(session, kept())
        assert await incidents.is_open(session, "database")
        await incidents.clear(session, "inc_1", note="too early", person="p", organization="o", at=NOW)
    well = NOW + timedelta(minutes=5)
    async with database.transaction() as session:
        await incidents.keep(session, kept(recovered_at=well, at=well))
        assert not await incidents.is_open(session, "database")
        await incidents.clear(session, "inc_1", note="first", person="p", organization="o", at=well)
        await incidents.clear(session, "inc_1", note="second", person="q", organization="o", at=well)
        await incidents.keep(session, kept(at=well + timedelta(hours=1)))
    async with database.reading() as session:
        row = await session.get_one(Incident, "inc_1")
        assert (row.note, row.cleared_by, row.last_check_at) == ("first", "p", well)
        assert row.recovered_at == well
        assert await incidents.last_cleared(session, "database") == well
        assert await incidents.last_cleared(session, "stripe") is None


async def test_the_gate_is_closed_once_lets_one_try_and_opens(database: Database) -> None:
    async def close() -> None:
        async with database.transaction() as session:
            await budget.close_gate(session, NOW)

    await asyncio.gather(close(), close())
    async with database.transaction() as session:
        await budget.try_with(session, "operation-1")
        await budget.close_gate(session, NOW + timedelta(hours=1))
    async with database.reading() as session:
        row = await session.get_one(StripeBudget, "account")
        assert (row.held_since, row.trial) == (NOW, None)
        assert await budget.is_closed(session)
    async with database.transaction() as session:
        await budget.open_gate(session)
    async with database.reading() as session:
        assert not await budget.is_closed(session)


async def test_holds_are_released_once_the_longest_waiting_first(database: Database) -> None:
    acme, other = await tenant(database), await tenant(database)
    operations = [an_operation(one, kind="refund") for one in (acme, other, acme)]
    await store(database, *operations, *(a_hold(one, n, NOW) for n, one in enumerate(operations)))
    async with database.transaction() as session:
        await holds.release(session, "hold_00", NOW)
        await holds.release(session, "hold_00", NOW + timedelta(hours=1))
    async with database.reading() as session:
        assert [one.id for one in await holds.open_holds(session, Component.STRIPE, 5)] == [
            "hold_01",
            "hold_02",
        ]
        assert [one.id for one in await holds.open_holds(session, Component.STRIPE, 1)] == ["hold_01"]
        assert (
            await holds.count(session, Component.STRIPE),
            await holds.count(session, Component.STRIPE, acme.id),
        ) == (2, 1)
        assert await holds.count(session, Component.MAIL) == 0


async def test_what_several_processes_have_counted_adds_up_and_old_counts_are_forgotten(
    database: Database,
) -> None:
    meters = [HealthMeter() for _ in range(3)]
    for meter in meters:
        meter.ok(Component.MAIL)
        meter.fault(Component.MAIL, "mail_server_busy")
    await asyncio.gather(*(meter.flush(database) for meter in meters))
    await asyncio.gather(*(meter.flush(database) for meter in meters))
    async with database.reading() as session:
        found = await health_counts.since(session, "mail", NOW)
    assert sum(one.ok for one in found) == sum(one.faults for one in found) == 3
    assert sum(one.codes["mail_server_busy"] for one in found) == 3

    await counted(database, NOW, faults=2)
    await counted(database, NOW - timedelta(days=3), faults=2)
    async with database.transaction() as session:
        await health_counts.prune(session, NOW)
        kept_ = await health_counts.since(session, "stripe", NOW - timedelta(days=9))
    assert [(one.at, one.faults) for one in kept_] == [(bucket_of(NOW), 2)]
    assert kept_[0].at + BUCKET > NOW


async def test_a_turn_is_taken_by_one_and_again_when_it_is_over(database: Database) -> None:
    async def take(minutes: int) -> bool:
        return await turns.take(
            database, "key_permissions", timedelta(hours=1), lambda: NOW + timedelta(minutes=minutes)
        )

    at_once = await asyncio.gather(*(take(0) for _ in range(4)))
    assert sorted(at_once) == [False, False, False, True]
    assert not await take(59)
    later = await asyncio.gather(*(take(60) for _ in range(4)))
    assert sorted(later) == [False, False, False, True]
