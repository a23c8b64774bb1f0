"""What every activity has without thinking of it: heartbeats, a line in the log with its workflow, and one in
Temporal that says what it is."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from settings.logs import about
from workflows.client import summaries
from workflows.core import ids

log = logging.getLogger(__name__)

BEATS = 3
"""Per heartbeat timeout."""

AT_MOST_EVERY = timedelta(seconds=1)
"""How often a beat may leave the process. By itself the SDK holds one back until four fifths of the timeout
are over: on a busy machine what is left is too short for it to arrive, and what is at work is begun again."""


class Heartbeats(Interceptor):
    """While an async activity awaits, it beats; one whose worker was killed is started elsewhere."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _HeartbeatInterceptor(next)


class _HeartbeatInterceptor(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        timeout = activity.info().heartbeat_timeout
        if not timeout:
            return await super().execute_activity(input)
        beat = asyncio.create_task(_beat(timeout.total_seconds() / BEATS))
        try:
            return await super().execute_activity(input)
        finally:
            beat.cancel()


async def _beat(every: float) -> None:
    while True:
        await asyncio.sleep(every)
        activity.heartbeat()


class LoggedActivities(Interceptor):
    """A line for each try at what leaves the process, a call to Stripe or a mail: an operation's id stands in
    its workflow's. Records, as local activities, are many and short, and are on the timeline."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _LoggingInterceptor(next)


class _LoggingInterceptor(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        asked = next(iter(input.args), None)
        with about(
            organization=getattr(asked, "organization", None),
            operation=ids.operation_of(info.workflow_id),
            workflow=info.workflow_id,
            run=info.workflow_run_id,
            activity=info.activity_type,
        ):
            return await self._logged(input, info)

    async def _logged(self, input: ExecuteActivityInput, info: activity.Info) -> Any:
        level = logging.DEBUG if info.is_local else logging.INFO
        began, outcome = time.monotonic(), "failed"
        try:
            result = await super().execute_activity(input)
            outcome = "done"
        finally:
            took = (time.monotonic() - began) * 1000
            facts = (info.workflow_id, info.activity_type, info.attempt, outcome, took)
            log.log(level, "%s: %s, attempt %d, %s in %.0f ms", *facts)
        return result


class SaidInTemporal(Interceptor):
    """Every activity that a workflow asks for says in Temporal what it is."""

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        return _SayingWorkflows


class _SayingWorkflows(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_SayingActivities(outbound))


class _SayingActivities(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        input.summary = input.summary or summaries.of_activity(input.activity, input.args)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        input.summary = input.summary or summaries.of_activity(input.activity, input.args)
        return super().start_local_activity(input)


EVERY_WORKER: Mapping[str, Any] = {
    "interceptors": [Heartbeats(), LoggedActivities(), SaidInTemporal()],
    "max_heartbeat_throttle_interval": AT_MOST_EVERY,
}
"""What each worker is built with."""
