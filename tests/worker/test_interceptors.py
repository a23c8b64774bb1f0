"""What an activity tells Temporal while it works."""

import asyncio
import logging
from datetime import timedelta
from itertools import pairwise
from statistics import median

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from billing.plan_changes.messages import OtherChangeQuery
from worker.interceptors import BEATS, EVERY_WORKER
from workflows.core import ids

from ..support.house import BIN
from ..support.logged import logged

TIMEOUT = timedelta(seconds=3)


@activity.defn
async def works_for_long() -> None:
    await asyncio.sleep(60)


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            works_for_long, start_to_close_timeout=timedelta(minutes=2), heartbeat_timeout=TIMEOUT
        )


async def _beats(client: Client, count: int) -> list[float]:
    """When the server had heard of it, in seconds."""
    heard: list[float] = []
    while len(heard) < count:
        await asyncio.sleep(0.1)
        described = await client.get_workflow_handle("waits").describe()
        for one in described.raw_description.pending_activities:
            at = one.last_heartbeat_time.ToMilliseconds() / 1000
            if at and at not in heard:
                heard.append(at)
    return heard


@pytest.mark.timeout(60)
async def test_an_activity_at_work_is_heard_three_times_in_its_timeout() -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), dev_server_log_level="never"
    )
    async with environment:
        client = environment.client
        worker = Worker(
            client,
            task_queue="beats",
            workflows=[Waits],
            activities=[works_for_long],
            workflow_runner=UnsandboxedWorkflowRunner(),
            **EVERY_WORKER,
        )
        async with worker:
            await client.start_workflow(Waits.run, id="waits", task_queue="beats")
            heard = await _beats(client, 6)
            await client.get_workflow_handle("waits").terminate()
    between = median(later - earlier for earlier, later in pairwise(heard))
    assert between < TIMEOUT.total_seconds() / (BEATS - 1)


@activity.defn
async def says_something(order: OtherChangeQuery) -> None:
    logging.getLogger("activities.somewhere").info("something")


@workflow.defn
class Says:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            says_something,
            OtherChangeQuery(operation="op_1", organization="org_1"),
            start_to_close_timeout=timedelta(minutes=2),
        )


async def test_whatever_an_activity_logs_is_about_its_operation_and_whose_that_is() -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), dev_server_log_level="never"
    )
    with logged() as lines:
        async with (
            environment,
            Worker(
                environment.client,
                task_queue="says",
                workflows=[Says],
                activities=[says_something],
                workflow_runner=UnsandboxedWorkflowRunner(),
                **EVERY_WORKER,
            ),
        ):
            await environment.client.execute_workflow(
                Says.run,
                id=ids.operation_workflow("op_1"),
                task_queue="says",
            )
    said = [line for line in lines if line.get("activity") == "says_something"]
    assert [line["logger"] for line in said] == ["activities.somewhere", "worker.interceptors"]
    for line in said:
        assert (line["operation"], line["organization"]) == ("op_1", "org_1")
        assert line["workflow"] == "operation-op_1"
