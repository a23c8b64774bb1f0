"""Tells Temporal at once what a request wrote to the outbox, without making the request depend on it.

Whatever does not arrive stays in the outbox: the worker's sweep tries again.
"""

import asyncio
import logging
from datetime import timedelta

from temporalio.client import Client

from billing.core.delivery import Delivery
from billing.core.operations import Problem
from db.core.clock import utc_now
from db.core.session import Database
from db.delivery.delivery import deliver
from db.tables import Outbox
from workflows.client import dispatch

from ..monitoring.metrics import Metrics

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 200
"""More than so many at once are left to the sweep."""

ANSWER_WITHIN = 5.0
"""Seconds that a person's command waits for the workflow's answer. A decision is settled by then: of that the
workflow is only told."""

SEND_TIMEOUT = timedelta(seconds=10)
HEAD_START = timedelta(seconds=15)
"""The sweep leaves a new row alone for so long."""

_NOT_KNOWN = Delivery(
    outcome="later", problem=Problem(code="pending", message="It is recorded and will be passed on.")
)


class Dispatcher:
    def __init__(self, database: Database, client: Client, metrics: Metrics) -> None:
        self._database = database
        self.client = client
        self._metrics = metrics
        self._tasks: set[asyncio.Task[Delivery]] = set()

    def hand_over(self, row: Outbox) -> "asyncio.Task[Delivery] | None":
        """Deliver a committed row in the background; the caller may go away."""
        if len(self._tasks) >= MAX_IN_FLIGHT:
            return None
        task = asyncio.create_task(self._deliver(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def outcome(self, row: Outbox) -> Delivery:
        """Deliver a committed row and say how that ended, or `later` when it isn't known in time."""
        task = self.hand_over(row)
        if task is None:
            return _NOT_KNOWN
        done, _ = await asyncio.wait({task}, timeout=ANSWER_WITHIN)
        return task.result() if done else _NOT_KNOWN

    async def idle(self) -> None:
        """Return when nothing is in flight."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Give what is in flight a moment, then leave it to the sweep."""
        if self._tasks:
            _, unfinished = await asyncio.wait(set(self._tasks), timeout=2)
            for task in unfinished:
                task.cancel()

    async def _deliver(self, row: Outbox) -> Delivery:
        try:
            delivery = await deliver(self._database, self._send, row, utc_now())
        except Exception:
            # The row is committed and stays due, so nothing is lost by giving up here.
            log.exception("could not deliver outbox row %s, will retry", row.id)
            delivery = _NOT_KNOWN
        self._metrics.delivery(row.action, delivery.outcome)
        return delivery

    async def _send(self, row: Outbox) -> Delivery:
        return await dispatch.send(
            self.client,
            action=row.action,
            workflow_id=row.workflow_id,
            name=row.name,
            update_id=row.update_id,
            payload=row.payload,
            found_by=row.found_by,
            within=SEND_TIMEOUT,
        )
