"""What runs by the clock, on a real Temporal server: the test server has no schedules."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from worker import schedules
from workflows.core import ids

from ..support.house import BIN, until
from ..support.named import NAMED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
    )
    async with environment:
        yield environment.client


async def test_a_start_makes_every_schedule_and_a_second_one_changes_none(temporal: Client) -> None:
    for _ in range(2):
        await schedules.ensure(temporal)
        for timed in schedules.SCHEDULES:
            found = (await temporal.get_schedule_handle(timed.id).describe()).schedule
            assert found.spec.intervals[0].every == timed.every
            assert found.policy.catchup_window == timed.catch_up
            assert found.action.workflow == timed.workflow  # type: ignore[union-attr]
            assert timed.workflow in NAMED
            assert found.action.execution_timeout == timed.longest  # type: ignore[union-attr]
            assert found.spec.jitter == timed.jitter


async def test_a_start_that_changes_nothing_sends_nothing(
    temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await schedules.ensure(temporal)
    sent: list[str] = []
    update = temporal.workflow_service.update_schedule

    async def told(request: Any, **options: Any) -> Any:
        sent.append(request.schedule_id)
        return await update(request, **options)

    monkeypatch.setattr(temporal.workflow_service, "update_schedule", told)
    await schedules.ensure(temporal)
    assert sent == []
    [first, *_] = schedules.SCHEDULES
    await schedules.ensure(temporal, [replace(first, catch_up=first.catch_up + timedelta(minutes=1))])
    assert sent == [first.id]
    await schedules.ensure(temporal)


async def test_an_operators_pause_and_note_survive_a_restart_of_the_worker(temporal: Client) -> None:
    await schedules.ensure(temporal)
    reminders = temporal.get_schedule_handle("reminder-sweep")
    await reminders.pause(note="No mails over the holidays.")

    async def paused() -> bool:
        return (await reminders.describe()).schedule.state.paused

    # Temporal tells the schedule a moment after it has answered.
    await until(paused, lambda: "the schedule was never paused")
    faster = [replace(timed, every=timed.every + timedelta(minutes=1)) for timed in schedules.SCHEDULES]
    await schedules.ensure(temporal, faster)
    found = (await reminders.describe()).schedule
    assert (found.state.paused, found.state.note) == (True, "No mails over the holidays.")
    assert found.spec.intervals[0].every == timedelta(minutes=16)


@workflow.defn
class Hangs:
    """A sweep that never ends."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


async def test_a_run_that_hangs_does_not_keep_the_next_ones_from_starting(temporal: Client) -> None:
    second = timedelta(seconds=1)
    timed = schedules.TimedWorkflow("hangs", "Hangs", second, second, longest=2 * second, jitter=timedelta(0))
    runner = UnsandboxedWorkflowRunner()
    async with Worker(temporal, task_queue=ids.MAIN_QUEUE, workflows=[Hangs], workflow_runner=runner):
        await schedules.ensure(temporal, [timed])
        handle = temporal.get_schedule_handle("hangs")

        async def started_again() -> bool:
            return (await handle.describe()).info.num_actions >= 2

        await until(started_again, lambda: "it hangs for good")
        await handle.delete()
