"""A workflow that is lost and runs again, as an operator or the reaper has it."""

from typing import Any

from temporalio.client import WorkflowHandle

from workflows.core import ids

from .house import House


async def stopped(home: House, operation: str, request: type[Any]) -> tuple[WorkflowHandle[Any, Any], Any]:
    """Terminates an operation's workflow; with it, what it was started with, of this type."""
    handle = home.temporal.get_workflow_handle(ids.operation_workflow(operation))
    [start, *_] = (await handle.fetch_history()).events
    payloads = start.workflow_execution_started_event_attributes.input.payloads
    [given] = await home.temporal.data_converter.decode(payloads, [request])
    await handle.terminate()
    return handle, given


async def run_again(home: House, workflow: str, stopped: tuple[WorkflowHandle[Any, Any], Any]) -> None:
    """Starts it anew, as it was started."""
    handle, given = stopped
    await home.temporal.start_workflow(workflow, given, id=handle.id, task_queue=ids.MAIN_QUEUE)
