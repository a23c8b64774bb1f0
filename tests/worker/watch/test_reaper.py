"""Workflows that can't go on are told of; what Temporal has forgotten is ended."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.incidents.alerts import AlertCode, AlertMessage
from billing.core.operations import Kind
from db.core import timeline
from db.core.session import Database
from db.money import commitments
from db.operations import operations, outbox
from db.tables import Operation
from worker.watch.reaper import Reaper

from ...support.builders import an_intent, an_operation, store, tenant
from ...support.house import BIN, default_policy, until
from ...support.money_rows import a_commitment

pytestmark = pytest.mark.slow

ON_ONE_DATABASE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
QUEUE = "poisoned"
LONG_AGO = datetime.now(UTC) - timedelta(days=3)


@pytest.fixture
async def temporal() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
    )
    async with environment:
        yield environment.client


@workflow.defn(name="Refund")
class Poisoned:
    """A fault of the product, until it is fixed."""

    faulty = True

    @workflow.run
    async def run(self) -> None:
        if Poisoned.faulty:
            raise RuntimeError("a bug")


async def _events(database: Database, operation: Operation) -> list[str]:
    async with database.reading() as session:
        return [event.code for event in await timeline.read(session, operation.id)]


@ON_ONE_DATABASE
async def test_a_workflow_that_fails_at_each_step_is_told_of_and_goes_on_once_it_is_mended(
    database: Database, temporal: Client
) -> None:
    acme = await tenant(database)
    operation = an_operation(acme, kind=Kind.REFUND.value)
    await store(database, operation)
    alerts: list[AlertMessage] = []

    async def alert(told: AlertMessage) -> None:
        alerts.append(told)

    reaper = Reaper(database, temporal, alert=alert)
    handle = await temporal.start_workflow(Poisoned.run, id=f"operation-{operation.id}", task_queue=QUEUE)
    async with Worker(
        temporal, task_queue=QUEUE, workflows=[Poisoned], workflow_runner=UnsandboxedWorkflowRunner()
    ):

        async def told() -> bool:
            await reaper.look()
            return bool(alerts)

        await until(told, lambda: "nobody was told", 60.0)
        await reaper.look()
        [(code, about, text)] = alerts
        assert (code, about) == (AlertCode.WORKFLOW_STUCK, f"operation-{operation.id}")
        assert about in text
        [event] = await _events(database, operation)
        assert event == "workflow_stuck"
        async with database.reading() as session:
            assert (await operations.get_fresh(session, operation.id)).closed_at is None, "never given up"
        Poisoned.faulty = False
        await handle.result()


@ON_ONE_DATABASE
async def test_what_temporal_has_forgotten_is_ended_unless_something_was_begun_in_stripe(
    database: Database, temporal: Client
) -> None:
    acme = await tenant(database)
    policy = default_policy().model_dump(mode="json", by_alias=True)
    more = {"kind": Kind.REFUND.value, "policy": policy, "created_at": LONG_AGO}
    forgotten, begun = an_operation(acme, **more), an_operation(acme, **more)
    intent = an_intent(begun, step="refund:0", effect="refund.create")
    await store(database, forgotten, begun, intent, a_commitment(forgotten))

    reaper = Reaper(database, temporal)
    for _ in range(2):
        await reaper.look()

    async with database.reading() as session:
        ended = await operations.get_fresh(session, forgotten.id)
        going = await operations.get_fresh(session, begun.id)
        [aside] = await commitments.of_operation(session, forgotten.id)
    assert (ended.state, ended.error and ended.error["code"]) == ("failed", "workflow_ended")
    assert aside.released_at is not None
    assert going.closed_at is None


@ON_ONE_DATABASE
async def test_what_temporal_was_given_and_has_lost_runs_again_at_once(
    database: Database, temporal: Client
) -> None:
    """A Temporal that was started empty: nobody has ended anything."""
    acme = await tenant(database)
    operation = an_operation(
        acme, kind=Kind.REFUND.value, created_at=datetime.now(UTC) - timedelta(minutes=2)
    )
    await store(database, operation)
    async with database.transaction() as session:
        start = await outbox.enqueue(
            session,
            action=outbox.START,
            workflow_id=operation.workflow_id,
            name="Refund",
            payload={},
            at=operation.created_at,
        )
        await outbox.settle_delivered(session, start.id, at=operation.created_at)

    await Reaper(database, temporal).look()

    found = await temporal.get_workflow_handle(operation.workflow_id).describe()
    assert found.status == WorkflowExecutionStatus.RUNNING
    async with database.reading() as session:
        assert (await operations.get_fresh(session, operation.id)).closed_at is None
    assert await _events(database, operation) == ["workflow_restarted"]
