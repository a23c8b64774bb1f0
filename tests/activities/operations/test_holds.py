"""A workflow that stops while the gate is closed: noted with its operation, never overlooked later."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.operations.holds import Holds
from billing.incidents.holds import HoldOperation, HoldResult, ResumeOperation, hold_id
from billing.incidents.states import Component
from db.core import timeline
from db.core.session import Database
from db.incidents import holds
from db.operations import operations
from db.stripe import budget
from db.tables import Hold, Operation

from ...support.builders import Tenant, an_operation, store, tenant


@dataclass
class Held:
    """An operation, and what may hold it."""

    database: Database
    tenant: Tenant
    operation: Operation

    async def hold(self, number: int = 1, workflow: str = "") -> HoldResult:
        request = HoldOperation(
            organization=self.tenant.id,
            operation=self.operation.id,
            workflow=workflow or self.operation.workflow_id,
            component=Component.STRIPE,
            number=number,
            at=datetime.now(UTC),
        )
        held: HoldResult = await ActivityEnvironment().run(Holds(self.database).hold_operation, request)
        return held

    async def resume(self, number: int = 1, workflow: str = "") -> None:
        request = ResumeOperation(
            operation=self.operation.id,
            workflow=workflow or self.operation.workflow_id,
            number=number,
            at=datetime.now(UTC),
        )
        await ActivityEnvironment().run(Holds(self.database).resume_operation, request)

    async def gate(self, *, closed: bool) -> None:
        async with self.database.transaction() as session:
            if closed:
                await budget.close_gate(session, datetime.now(UTC))
            else:
                await budget.open_gate(session)

    async def waiting(self) -> list[Hold]:
        async with self.database.reading() as session:
            return await holds.open_holds(session, Component.STRIPE, 10)

    async def state(self) -> tuple[str, str, bool]:
        async with self.database.reading() as session:
            found = await operations.get_any(session, self.operation.id)
        assert found is not None
        return found.state, found.stage, found.closed_at is not None


@pytest.fixture
async def held(database: Database) -> Held:
    return await _held(database)


async def _held(database: Database, **fields: Any) -> Held:
    acme = await tenant(database)
    operation = an_operation(acme, **({"state": "awaiting_approval", "stage": "review"} | fields))
    await store(database, operation)
    return Held(database, acme, operation)


async def test_it_stops_where_it_is_and_goes_on_from_there(held: Held) -> None:
    await held.gate(closed=True)
    assert (await held.hold()).waiting
    assert (await held.hold()).waiting  # an attempt whose answer was lost
    assert await held.state() == ("held", "review", False)
    [row] = await held.waiting()
    assert (row.state, row.workflow_id) == ("awaiting_approval", held.operation.workflow_id)
    for _ in range(2):
        await held.resume()
    assert await held.state() == ("awaiting_approval", "review", False)
    assert await held.waiting() == []
    async with held.database.reading() as session:
        events = [event.code for event in await timeline.read(session, held.operation.id)]
    assert events == ["held_by_incident", "resumed_after_incident"]


async def test_nothing_is_noted_when_the_gate_is_open_again(held: Held) -> None:
    assert not (await held.hold()).waiting
    await held.gate(closed=True)
    await held.gate(closed=False)
    assert not (await held.hold()).waiting
    assert await held.state() == ("awaiting_approval", "review", False)
    assert await held.waiting() == []


async def test_who_opens_the_gate_at_the_same_moment_finds_every_workflow_that_waits(held: Held) -> None:
    for number in range(1, 9):
        await held.gate(closed=True)
        _, answer = await asyncio.gather(held.gate(closed=False), held.hold(number))
        found = [row.id for row in await held.waiting()]
        if answer.waiting:
            assert found == [hold_id(held.operation.workflow_id, number)]
            await held.resume(number)
        else:
            assert found == []


async def test_an_operation_that_two_workflows_wait_for_is_held_until_both_go_on(held: Held) -> None:
    await held.gate(closed=True)
    await held.hold()
    await held.hold(workflow="note-1")
    await held.gate(closed=False)
    await held.resume()
    assert (await held.state())[0] == "held"
    await held.resume(workflow="note-1")
    assert await held.state() == ("awaiting_approval", "review", False)


async def test_what_had_failed_and_waits_for_a_person_is_not_closed_by_going_on(database: Database) -> None:
    held = await _held(database, state="failed", stage="refund_failed")
    await held.gate(closed=True)
    await held.hold()
    await held.resume()
    assert await held.state() == ("failed", "refund_failed", False)


async def test_what_has_ended_stays_as_it_ended(database: Database) -> None:
    held = await _held(database, state="completed", stage="done", closed_at=datetime.now(UTC))
    await held.gate(closed=True)
    assert (await held.hold()).waiting
    assert await held.state() == ("completed", "done", True)
    await held.resume()
    assert await held.state() == ("completed", "done", True)


async def test_a_hold_is_released_by_one(held: Held) -> None:
    await held.gate(closed=True)
    await held.hold()
    [row] = await held.waiting()

    async def release() -> Hold | None:
        async with held.database.transaction() as session:
            return await holds.release(session, row.id, datetime.now(UTC))

    released = await asyncio.gather(release(), release())
    assert [one.id for one in released if one is not None] == [row.id]
