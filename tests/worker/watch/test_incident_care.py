"""Open incidents are looked after, on a real Temporal server: one whose every task fails is started again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from billing.incidents.messages import IncidentInput
from billing.incidents.states import Component
from db.core.session import Database
from db.stripe import budget
from db.tables import Incident
from worker.watch import broken_off
from worker.watch.incident_care import IncidentCare
from workflows.core import ids

from ...support.builders import store
from ...support.house import BIN, until
from ...support.incidents import POLICY

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("databases", ["sqlite"], indirect=True)]


@workflow.defn(name=ids.INCIDENT)
class Poisoned:
    """A release with a bug: every task fails, and the workflow never ends by itself."""

    @workflow.run
    async def run(self, _: IncidentInput) -> None:
        raise RuntimeError("a bug")


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
    )
    async with environment:
        yield environment.client


async def degraded(database: Database) -> Incident:
    """Stripe has been so for a minute, and its gate is shut."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    row = Incident(
        id="inc_1", component="stripe", opened_at=at, first_fault_at=at, cause="rate_limit", alerts=2
    )
    await store(database, row)
    async with database.transaction() as session:
        await budget.close_gate(session, at)
    return row


async def begun(temporal: Client, workflow_id: str, run_id: str | None = None) -> IncidentInput:
    """What the workflow was started with."""
    history = await temporal.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    payloads = history.events[0].workflow_execution_started_event_attributes.input.payloads
    [found] = await temporal.data_converter.decode(payloads, [IncidentInput])
    return found


async def test_an_incident_whose_every_task_fails_is_ended_and_started_from_its_row(
    database: Database, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken_off, "POISONED_FOR", timedelta(seconds=1))
    row = await degraded(database)
    workflow = ids.incident_workflow(row.id, Component.STRIPE)
    cares = [IncidentCare(database, temporal, POLICY) for _ in range(2)]
    await cares[0].tend(datetime.now(UTC))
    handle = temporal.get_workflow_handle(workflow)
    first = await handle.describe()
    assert first.status is WorkflowExecutionStatus.RUNNING, "one that was never started is"
    async with Worker(
        temporal, task_queue=ids.MAIN_QUEUE, workflows=[Poisoned], workflow_runner=UnsandboxedWorkflowRunner()
    ):

        async def failing() -> bool:
            return (await handle.describe()).raw_description.pending_workflow_task.attempt >= 3

        await until(failing, lambda: "no task has failed")
        await asyncio.sleep(1)
    await asyncio.gather(*(care.tend(datetime.now(UTC)) for care in cares))
    again = await handle.describe()
    assert again.run_id != first.run_id
    assert again.status is WorkflowExecutionStatus.RUNNING
    ended = await temporal.get_workflow_handle(workflow, run_id=first.run_id).describe()
    assert ended.status is WorkflowExecutionStatus.TERMINATED
    found = await begun(temporal, workflow)
    assert (found.incident, found.opened_at, found.cause) == (row.id, row.opened_at, "rate_limit")
    assert found.now is not None
    assert (found.now.health.degraded, found.now.alerts, found.now.alert_due_at is None) == (True, 2, False)

    # One that only waits for a worker is left alone.
    await asyncio.gather(*(care.tend(datetime.now(UTC)) for care in cares))
    assert (await handle.describe()).run_id == again.run_id
    await handle.terminate()


async def test_a_gate_that_is_shut_without_an_incident_is_opened(
    database: Database, temporal: Client
) -> None:
    at = datetime.now(UTC)
    async with database.transaction() as session:
        await budget.close_gate(session, at)
    care = IncidentCare(database, temporal, POLICY)
    await care.tend(at + timedelta(seconds=10))
    async with database.reading() as session:
        assert await budget.is_closed(session), "its incident may be just about to be written"
    await care.tend(at + timedelta(seconds=31))
    async with database.reading() as session:
        assert not await budget.is_closed(session)
