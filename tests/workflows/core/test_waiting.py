"""What a workflow says that it waits for: as long as it does, and beside whatever else it waits for."""

import asyncio
import gc
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from workflows.core.waiting import pause, wait

from ...support.house import time_skipping

QUEUE = "waiting"


@workflow.defn
class Awaits:
    """Two things at once, and then a third."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    @workflow.run
    async def run(self) -> list[bool]:
        both = await asyncio.gather(*(self._wait(name) for name in ("first", "second")))
        await pause("Waits a day.", timedelta(days=1))
        return [*both, await wait("Waits for nobody.", lambda: False, timedelta(seconds=1))]

    @workflow.signal
    def tell(self, name: str) -> None:
        self._told.add(name)

    async def _wait(self, name: str) -> bool:
        return await wait(f"Waits for the {name}.", lambda: name in self._told)


async def details(handle: WorkflowHandle[Any, Any]) -> str:
    said = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return said.current_details


def worker(environment: WorkflowEnvironment, cached: int = 10) -> Worker:
    return Worker(
        environment.client,
        task_queue=QUEUE,
        workflows=[Awaits],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=cached,
    )


@pytest.mark.parametrize("cached", [0, 10])
async def test_it_says_all_that_it_waits_for_and_nothing_that_is_over(cached: int) -> None:
    """Whether or not it stays in a worker's memory."""
    async with time_skipping() as environment, worker(environment, cached):
        handle = await environment.client.start_workflow(Awaits.run, id="awaits", task_queue=QUEUE)
        assert await details(handle) == "Waits for the first.\n\nWaits for the second."
        await handle.signal(Awaits.tell, "first")
        assert await details(handle) == "Waits for the second."
        await handle.signal(Awaits.tell, "second")
        assert await details(handle) == "Waits a day."
        assert await handle.result() == [True, True, False]
        assert await details(handle) == ""


async def test_a_worker_that_ends_meanwhile_has_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    async with time_skipping() as environment:
        async with worker(environment):
            handle = await environment.client.start_workflow(Awaits.run, id="awaits", task_queue=QUEUE)
            await details(handle)
        gc.collect()
        await handle.terminate()
    assert not unraisable
