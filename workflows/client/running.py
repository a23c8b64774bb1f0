"""Whether a workflow has ended, for those who find a row that says that it goes on."""

from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

OVER = frozenset(
    {
        WorkflowExecutionStatus.CANCELED,
        WorkflowExecutionStatus.COMPLETED,
        WorkflowExecutionStatus.FAILED,
        WorkflowExecutionStatus.TERMINATED,
        WorkflowExecutionStatus.TIMED_OUT,
    }
)
STARTED_WITHIN = timedelta(days=1)
"""What Temporal does not know may still have to be started; after so long it was forgotten."""

WITHIN = timedelta(seconds=2)


async def is_over(client: Client, workflow_id: str, age: timedelta) -> bool:
    """Whether Temporal says so; False when it can't be asked. `age` is how long ago the row was written."""
    try:
        described = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=WITHIN)
    except RPCError as error:
        return error.status == RPCStatusCode.NOT_FOUND and age > STARTED_WITHIN
    except (TimeoutError, ConnectionError, RuntimeError):
        # The client raises RuntimeError while its first connection fails.
        return False
    return described.status in OVER
