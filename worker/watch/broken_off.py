"""Whether a workflow goes on: one whose every task fails does not, though Temporal calls it running."""

from datetime import UTC, timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from db.core.clock import utc_now
from workflows.client.running import OVER

WITHIN = timedelta(seconds=5)
POISONED_TRIES, POISONED_FOR = 3, timedelta(seconds=30)
"""A workflow task that has failed so often, for so long, will go on failing. One that merely waits for a
worker, or for records that are away, is its first try."""


async def described(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionDescription | None:
    """None for a workflow that Temporal does not know."""
    try:
        return await handle.describe(rpc_timeout=WITHIN)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise


async def is_broken_off(client: Client, found: WorkflowExecutionDescription) -> bool:
    """Whether it does not go on; one whose tasks all fail is terminated, so that it can be started anew."""
    if found.status in OVER:
        return True
    task = found.raw_description.pending_workflow_task
    age = utc_now() - task.original_scheduled_time.ToDatetime(tzinfo=UTC)
    if task.attempt < POISONED_TRIES or age < POISONED_FOR:
        return False
    # Of several workers that see it one terminates this very run; the next one is not theirs to end.
    handle = client.get_workflow_handle(found.id, run_id=found.run_id)
    try:
        await handle.terminate(f"its workflow task has failed {task.attempt} times", rpc_timeout=WITHIN)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
    return True
