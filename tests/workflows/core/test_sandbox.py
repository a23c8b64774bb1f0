"""What the sandbox forbids a workflow it forbids each of its runs, though its modules are loaded already."""

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from worker import queues

from ...support.house import time_skipping
from ..chance_workflow import ChanceWorkflow


async def test_a_run_that_leaves_something_to_chance_fails_as_the_first_one_would() -> None:
    async with time_skipping() as environment:
        worker = Worker(
            environment.client,
            task_queue="chance",
            workflows=[ChanceWorkflow],
            workflow_runner=queues.RUNNER,
            workflow_failure_exception_types=[Exception],
        )

        async def run(number: int, tries: bool) -> str:
            return await environment.client.execute_workflow(
                ChanceWorkflow.run, tries, id=f"chance-{number}", task_queue="chance"
            )

        async with worker:
            assert await run(1, False) == "not tried"
            with pytest.raises(WorkflowFailureError) as failed:
                await run(2, True)
            assert "random.random" in str(failed.value.cause)
            assert await run(3, False) == "not tried"
