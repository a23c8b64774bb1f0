"""Who goes on next once Stripe is well again: the oldest, and no more than its budget will take."""

from datetime import UTC, datetime

import pytest
from temporalio.testing import ActivityEnvironment

from activities.incidents.incidents import Incidents
from activities.incidents.probes import Probes
from activities.operations.holds import Holds
from billing.incidents.holds import HoldOperation
from billing.incidents.messages import HoldsNext, NextHolds
from billing.incidents.states import Component
from db.core.session import Database
from db.stripe import budget

from ...support.builders import an_operation, store, tenant
from ...support.house import default_policy

HELD = 12
POLICY = default_policy().incidents


@pytest.fixture
async def held(database: Database) -> list[str]:
    """The workflows that are held, in the order in which they were; the gate is open again."""
    acme = await tenant(database)
    async with database.transaction() as session:
        await budget.close_gate(session, datetime.now(UTC))
    workflows = []
    for _ in range(HELD):
        operation = an_operation(acme, kind="refund", state="running", stage="issuing")
        await store(database, operation)
        hold = HoldOperation(
            organization=acme.id,
            operation=operation.id,
            workflow=operation.workflow_id,
            component=Component.STRIPE,
            number=1,
            at=datetime.now(UTC),
        )
        await ActivityEnvironment().run(Holds(database).hold_operation, hold)
        workflows.append(operation.workflow_id)
    async with database.transaction() as session:
        await budget.open_gate(session)
    return workflows


async def next_ones(database: Database, pace: float, most: int = 16, waiting: int = 0) -> list[str]:
    assert POLICY is not None
    at = datetime.now(UTC)
    order = NextHolds(component=Component.STRIPE, limit=most, policy=POLICY, since=at, at=at)
    found: HoldsNext = await ActivityEnvironment().run(
        Incidents(database, Probes({}), pace, lambda: waiting).read_next_holds, order
    )
    return [held.workflow for held in found.workflows]


async def test_no_more_go_on_in_a_second_than_the_budget_takes(database: Database, held: list[str]) -> None:
    assert await next_ones(database, 20.0) == held[:5]
    assert await next_ones(database, 100.0) == held
    assert await next_ones(database, 0.5) == held[:1]
    assert await next_ones(database, 100.0, most=2) == held[:2]


async def test_only_one_goes_on_in_a_second_while_enough_requests_wait_already(
    database: Database, held: list[str]
) -> None:
    assert await next_ones(database, 20.0, waiting=4) == held[:5]
    assert await next_ones(database, 20.0, waiting=5) == held[:1]


async def test_an_operators_pace_and_stripes_refusals_count(database: Database, held: list[str]) -> None:
    async with database.transaction() as session:
        await budget.set_rate(session, 16.0, by="ops", at=datetime.now(UTC))
    assert await next_ones(database, 100.0) == held[:4]
    async with database.transaction() as session:
        await budget.pause(session, 100.0, seconds=1.0, reason="global-rate", slow_down=True, sent_ago=0.0)
    assert await next_ones(database, 100.0) == held[:3]
