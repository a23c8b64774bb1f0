"""Records that are away for long: a workflow's history stays short, its updates quick, and it goes on."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from workflows.core import options
from workflows.core.recorded import recorded

from ...support.house import BIN

pytestmark = pytest.mark.slow

AWAY = 12.0
"""Seconds: twice what is waited for at once, so that the wait is Temporal's."""
MAX_EVENTS = 10
WORKFLOWS = 200
QUEUE = "recorded"


class Database:
    """One that can be away."""

    away = False

    @activity.defn
    async def write(self, what: str) -> str:
        if Database.away:
            raise ConnectionError("the database is away")
        return what


@workflow.defn
class Writer:
    @workflow.init
    def __init__(self) -> None:
        self._told = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._told)
        return await recorded(Database.write, "kept")

    @workflow.signal
    def go_on(self) -> None:
        self._told = True

    @workflow.update
    async def ping(self) -> str:
        return "pong"


async def _events(client: Client, number: int) -> int:
    handle = client.get_workflow_handle(f"writer-{number}")
    return len([event async for event in handle.fetch_history_events()])


async def test_an_outage_costs_each_of_two_hundred_workflows_few_events_however_long_it_lasts() -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
    )
    async with environment:
        client = environment.client
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[Writer],
            activities=[Database().write],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            handles = [
                await client.start_workflow(Writer.run, id=f"writer-{number}", task_queue=QUEUE)
                for number in range(WORKFLOWS)
            ]
            before = await _events(client, 0)
            Database.away = True
            await asyncio.gather(*(handle.signal(Writer.go_on) for handle in handles))
            await asyncio.sleep(AWAY)
            first = [await _events(client, number) for number in range(WORKFLOWS)]
            began = asyncio.get_running_loop().time()
            assert await handles[0].execute_update(Writer.ping) == "pong"
            took = asyncio.get_running_loop().time() - began
            await asyncio.sleep(AWAY / 2)
            later = [await _events(client, number) for number in range(1, WORKFLOWS)]
            Database.away = False
            kept = await asyncio.gather(*(handle.result() for handle in handles))

    assert kept == ["kept"] * WORKFLOWS
    assert max(first) - before <= MAX_EVENTS
    assert later == first[1:], "waiting longer costs nothing more"
    assert took < 2.0


def test_by_arithmetic_an_hour_without_a_database_costs_ten_events() -> None:
    """At once: the task that asks (scheduled, started, completed), the local activity's marker, and the task
    that it is answered in when it heartbeats; then one activity, whose tries are in no history: scheduled
    before, started and completed after. Nothing of it grows with time.
    """
    asked = options.RECORD_AT_ONCE
    attempts, waits = asked["retry_policy"].maximum_attempts, timedelta(seconds=0.3 + 0.6)
    at_once, heartbeat = attempts * asked["start_to_close_timeout"] + waits, timedelta(seconds=8)
    assert at_once < heartbeat, "or each workflow task would be reported as going on: three events"
    retry = options.RECORD["retry_policy"]
    assert retry.maximum_attempts == 0
    assert "schedule_to_close_timeout" not in options.RECORD, "a database is waited for"
    assert timedelta(seconds=30) <= retry.maximum_interval <= timedelta(minutes=1), "and found again soon"
    asking, marker, waiting, answered = 3, 1, 1, 2
    assert asking + marker + waiting + answered <= MAX_EVENTS
