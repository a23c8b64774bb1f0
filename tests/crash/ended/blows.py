"""What somebody, or a faulty release, does to a workflow from outside."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode
from ulid import ULID

from activities.incidents.alerts import AlertCode, AlertMessage
from workflows.client.running import OVER

from ...support.house import until
from . import Blow
from .poison import Poison

KNOWN_WITHIN = 240.0
"""Seconds within which its operators hear of what fails at each step, however much the machine has to do."""
POKE = "poked by a test"
"""A signal that no workflow knows: it gives one that waits a task to fail at."""


@dataclass
class Blows:
    temporal: Client
    poison: Poison
    alerts: list[AlertMessage] = field(default_factory=list)
    """What the operators were told."""

    async def strike(self, workflow: str, blow: Blow) -> bool:
        """False where it was over, or not begun."""
        handle = self.temporal.get_workflow_handle(workflow)
        try:
            match blow:
                case "terminate":
                    await handle.terminate("a test")
                case "cancel":
                    await handle.cancel()
                case "reset to its beginning":
                    return await reset(self.temporal, workflow, first=True)
                case "reset to its last step":
                    return await reset(self.temporal, workflow, first=False)
                case "poison":
                    return await self._poison(workflow)
        except RPCError as error:
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise
            return False
        return True

    async def _poison(self, workflow: str) -> bool:
        """Until its operators know of it."""
        self.poison.give(workflow)
        try:
            await self.temporal.get_workflow_handle(workflow).signal(POKE)
            return await self.failing(workflow)
        finally:
            self.poison.lift(workflow)

    async def failing(self, workflow: str) -> bool:
        """Waits until its tasks fail and its operators know. False where it has ended before."""
        over = False

        async def told() -> bool:
            nonlocal over
            found = await self.described(workflow)
            over = found is not None and found.status in OVER
            return over or any(told[:2] == (AlertCode.WORKFLOW_STUCK, workflow) for told in self.alerts)

        await until(told, lambda: f"nobody was told that {workflow} is stuck", KNOWN_WITHIN)
        return not over

    async def described(self, workflow: str) -> WorkflowExecutionDescription | None:
        """None for one that Temporal does not know."""
        try:
            return await self.temporal.get_workflow_handle(workflow).describe(
                rpc_timeout=timedelta(seconds=10)
            )
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def quiet(self, workflow: str) -> None:
        """Waits until it is over, or only waits itself."""

        async def rests() -> bool:
            found = await self.described(workflow)
            if found is None or found.status in OVER:
                return True
            raw = found.raw_description
            return not raw.pending_activities and not raw.HasField("pending_workflow_task")

        await until(rests, lambda: f"{workflow} does not come to rest", KNOWN_WITHIN)
        await asyncio.sleep(0.2)


async def reset(temporal: Client, workflow: str, *, first: bool) -> bool:
    """To its first step or its last. False where it has not taken one yet."""
    handle = temporal.get_workflow_handle(workflow)
    run = (await handle.describe()).run_id
    steps = [
        event.event_id
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    if not steps:
        return False
    await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow, run_id=run),
            reason="a test",
            workflow_task_finish_event_id=steps[0] if first else steps[-1],
            request_id=str(ULID()),
        )
    )
    return True
