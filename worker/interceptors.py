"""Heartbeats for every activity that has a heartbeat timeout, so that activities needn't think of them."""

import asyncio
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

BEATS = 3
"""Per heartbeat timeout."""


class Heartbeats(Interceptor):
    """While an async activity awaits, it beats; one whose worker was killed is started elsewhere."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Beating(next)


class _Beating(ActivityInboundInterceptor):
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
