"""With a real Temporal server: what is accepted arrives, once, now or later."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from billing.core.delivery import Delivery
from billing.core.operations import State
from billing.plan_changes.subject import PlanChangeInput
from billing.policy.policy import Policy
from db.core.session import Database
from db.operations import operations
from db.tables import Approval, Operation, Outbox
from worker.outbox import OutboxSweep
from workflows.client import dispatch
from workflows.core import ids

from ...support.builders import SUBJECT_HASH, Tenant, an_approval, an_operation, store
from ..conftest import ON_ONE_DATABASE, Api, serving
from ..toy_workflow import Toy

pytestmark = [ON_ONE_DATABASE, pytest.mark.slow]

APPROVE = {"decision": "approve", "subject_hash": SUBJECT_HASH}


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    server = Path(sys.executable).with_name("temporal")
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(server), data_converter=pydantic_data_converter
    ) as environment:
        yield environment.client


@pytest.fixture
async def connected(database: Database, policy: Policy, temporal: Client) -> AsyncIterator[Api]:
    async for served in serving(database, policy, temporal):
        yield served


@asynccontextmanager
async def working(client: Client) -> AsyncIterator[None]:
    async with Worker(client, task_queue=ids.MAIN_QUEUE, workflows=[Toy]):
        yield


async def started(client: Client, workflow_id: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        ids.PLAN_CHANGE, {"toy": True}, id=workflow_id, task_queue=ids.MAIN_QUEUE
    )


async def rows(database: Database, name: str) -> list[Outbox]:
    async with database.reading() as session:
        found = await session.exec(select(Outbox).where(Outbox.name == name).order_by(col(Outbox.id)))
        return list(found)


async def sweep(database: Database, client: Client) -> int:
    """What the worker's schedule does, a minute from now, when every row is due again."""

    async def send(row: Outbox) -> Delivery:
        return await dispatch.send(
            client,
            action=row.action,
            workflow_id=row.workflow_id,
            name=row.name,
            update_id=row.update_id,
            payload=row.payload,
            within=timedelta(seconds=10),
        )

    return await OutboxSweep(database, send, lambda: datetime.now(UTC) + timedelta(minutes=1)).sweep()


async def running(database: Database, acme: Tenant, policy: Policy) -> Operation:
    operation = an_operation(acme, policy=policy.model_dump(mode="json"), state="running", stage="preview")
    await store(database, operation)
    return operation


async def in_review(database: Database, acme: Tenant) -> Approval:
    operation = an_operation(acme)
    approval = an_approval(operation)
    await store(database, operation, approval)
    return approval


async def test_an_accepted_request_starts_its_workflow_with_what_was_asked(
    connected: Api, temporal: Client, acme: Tenant, database: Database
) -> None:
    operation = (await connected.ask(acme.admin)).json()
    await connected.context.dispatcher.idle()
    handle = temporal.get_workflow_handle(operation["workflow_id"])
    assert (await handle.describe()).workflow_type == "PlanChangeWorkflow"
    async with working(temporal):
        [request] = await handle.query("got")
    assert PlanChangeInput.model_validate(request).operation == operation["id"]
    assert [row.state for row in await rows(database, "PlanChangeWorkflow")] == ["delivered"]


async def test_what_was_accepted_while_temporal_was_down_starts_once_it_is_back(
    api: Api, temporal: Client, acme: Tenant, database: Database
) -> None:
    operation = (await api.ask(acme.admin)).json()
    cancelled = await api.post(f"/v1/plan-changes/{operation['id']}/cancel", acme.admin)
    assert cancelled.status_code == 202
    await api.context.dispatcher.idle()
    async with working(temporal):
        while await sweep(database, temporal):
            pass
        got = await temporal.get_workflow_handle(operation["workflow_id"]).query("got")
    assert [sorted(message)[0] for message in got] == ["operation", "comment"]
    states = [row.state for name in ("PlanChangeWorkflow", "cancel") for row in await rows(database, name)]
    assert states == ["delivered", "delivered"]


async def test_a_command_that_was_taken_and_not_acted_on_yet_is_pending(
    connected: Api, temporal: Client, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(database, acme, policy)
    async with working(temporal):
        handle = await started(temporal, operation.workflow_id)
        answer = await connected.post(
            f"/v1/plan-changes/{operation.id}/cancel", acme.admin, {"comment": "Not now."}
        )
        got = await handle.query("got")
    assert (answer.status_code, answer.json()["pending"], answer.json()["state"]) == (202, True, "running")
    assert got[1:] == [{"person": acme.admin.id, "comment": "Not now."}]
    assert [row.state for row in await rows(database, "cancel")] == ["delivered"]


async def test_a_workflow_that_refuses_is_quoted(
    connected: Api, temporal: Client, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(database, acme, policy)
    async with working(temporal):
        await started(temporal, operation.workflow_id)
        answer = await connected.post(
            f"/v1/plan-changes/{operation.id}/cancel", acme.admin, {"comment": "refuse:too_late"}
        )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "too_late")
    assert problem["detail"] == "No, said the workflow."
    assert [row.state for row in await rows(database, "cancel")] == ["refused"]


async def test_what_is_said_to_a_workflow_that_was_ended_waits_until_its_operation_goes_on_or_ends(
    connected: Api, temporal: Client, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await running(database, acme, policy)
    async with working(temporal):
        handle = await started(temporal, operation.workflow_id)
        await handle.signal("stop")
        await handle.result()
        answer = await connected.post(f"/v1/plan-changes/{operation.id}/cancel", acme.admin)
        assert (answer.status_code, answer.json()["pending"]) == (202, True)
        await sweep(database, temporal)
        assert [row.state for row in await rows(database, "cancel")] == ["pending"]
        async with database.transaction() as session:
            await operations.update_state(
                session, operation.id, state=State.FAILED, stage="done", at=datetime.now(UTC)
            )
        async with database.transaction() as session:
            await session.exec(update(Outbox).values(next_attempt_at=datetime.now(UTC)))
        await sweep(database, temporal)
    [row] = await rows(database, "cancel")
    assert (row.state, (row.error or "").partition(":")[0]) == ("refused", "already_ended")


async def test_an_update_for_a_workflow_that_temporal_has_forgotten_is_settled_after_its_age(
    temporal: Client, database: Database
) -> None:
    async def send(age: timedelta) -> Delivery:
        return await dispatch.send(
            temporal,
            action="update",
            workflow_id="operation-forgotten",
            name="cancel",
            update_id="u1",
            payload={},
            within=timedelta(seconds=10),
            age=age,
        )

    assert (await send(timedelta(hours=1))).outcome == "later", "its start may still be on its way"
    settled = await send(timedelta(days=2))
    assert (settled.outcome, settled.problem and settled.problem.code) == ("refused", "already_ended")


async def test_a_start_that_temporal_will_never_take_is_settled(temporal: Client, database: Database) -> None:
    delivery = await dispatch.send(
        temporal,
        action="start",
        workflow_id="x" * 2_000,
        name=ids.PLAN_CHANGE,
        update_id="",
        payload={},
        within=timedelta(seconds=10),
    )
    assert (delivery.outcome, delivery.problem and delivery.problem.code) == (
        "refused",
        "refused_by_temporal",
    )


async def test_a_decision_counts_while_no_worker_runs_and_its_workflow_is_told_once(
    connected: Api, temporal: Client, acme: Tenant, database: Database
) -> None:
    review = await in_review(database, acme)
    handle = await started(temporal, ids.operation_workflow(review.operation_id))
    path = f"/v1/approvals/{review.id}/decision"
    answers = [await connected.post(path, acme.controller, APPROVE) for _ in range(3)]
    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(200, "approved")] * 3
    await connected.context.dispatcher.idle()
    assert [row.state for row in await rows(database, "decided")] == ["delivered"]
    async with working(temporal):
        got = await handle.query("got")
    assert got[1:] == [{"approval": review.id}]


async def test_the_workflow_is_told_of_a_decision_that_was_made_while_temporal_was_down(
    api: Api, temporal: Client, acme: Tenant, database: Database
) -> None:
    review = await in_review(database, acme)
    answer = await api.post(f"/v1/approvals/{review.id}/decision", acme.controller, APPROVE)
    await api.context.dispatcher.idle()
    handle = await started(temporal, ids.operation_workflow(review.operation_id))
    async with working(temporal):
        assert await sweep(database, temporal) == 1
        got = await handle.query("got")
    assert answer.status_code == 200
    assert got[1:] == [{"approval": review.id}]


async def test_a_decision_arrives_though_the_approver_closes_the_page(
    connected: Api, temporal: Client, acme: Tenant, database: Database
) -> None:
    review = await in_review(database, acme)
    handle = await started(temporal, ids.operation_workflow(review.operation_id))
    request = asyncio.create_task(
        connected.post(f"/v1/approvals/{review.id}/decision", acme.controller, APPROVE)
    )
    while not await rows(database, "decided"):  # noqa: ASYNC110 - a request has no event to wait for
        await asyncio.sleep(0.01)
    request.cancel()
    async with working(temporal):
        await connected.context.dispatcher.idle()
        await sweep(database, temporal)
        got = await handle.query("got")
    assert {message["approval"] for message in got[1:]} == {review.id}


async def test_with_temporal_it_is_ready(connected: Api) -> None:
    ready = {"status": "ok", "database": "ok", "temporal": "ok", "fix": None}
    assert (await connected.get("/readyz")).json() == ready
