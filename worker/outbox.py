"""Passes on what the outbox holds: accepted requests and decisions that a killed API or a stopped Temporal
left there, what the worker itself has noted, and mails to people.

Every worker does, in a sweep for Temporal and one for mails: a mail server that is slow keeps nothing from
Temporal. Who claims a row has it for itself; one that takes long keeps no other from being sent.
"""

import asyncio
import logging

from db.core.clock import Clock, utc_now
from db.core.session import Database, concerns_everybody
from db.delivery.delivery import Send, claim_due, deliver_in_order
from db.operations.outbox import TEMPORAL, Lane
from db.tables import Outbox
from settings.logs import about
from workflows.core import ids

from .listening import ListeningLoop, let_end

log = logging.getLogger(__name__)

AT_ONCE = 100
"""Rows that are under way at a time, where a lane has no fewer."""


class OutboxSweep:
    """`run` is the process's loop; `sweep` delivers what is due and returns."""

    def __init__(
        self,
        database: Database,
        send: Send,
        clock: Clock = utc_now,
        *,
        lane: Lane = TEMPORAL,
        at_once: int = AT_ONCE,
        beside: "OutboxSweep | None" = None,
    ) -> None:
        """One `beside` another hears by its connection what PostgreSQL says."""
        self._database, self._send, self._clock = database, send, clock
        self._lane, self._at_once = lane, at_once
        self.loop: ListeningLoop = ListeningLoop(
            database, "the outbox", lane.actions, beside=beside.loop if beside else None
        )
        self._last: dict[str, asyncio.Task[None]] = {}
        """By workflow: it is sent one thing after the other."""
        self._under_way: set[str] = set()
        """Rows. One whose claim runs out meanwhile is not taken again: it is sent all the same."""

    async def run(self) -> None:
        """Until it is cancelled; whatever fails is tried again. What is under way then is let end for a
        while: a mail that is cut off between its text and the server's answer goes out a second time."""
        try:
            await self.loop.run(self._begin_due)
        finally:
            await let_end(self._last.values())

    async def sweep(self) -> int:
        """Delivers everything that is due, each workflow's in order; returns how many rows it took.

        Raises what the records raise while they are away; what was claimed then is claimed again later.
        """
        taken = await self._begin_due()
        while self._last:
            await asyncio.wait(self._last.values())
        return taken

    async def _begin_due(self) -> int:
        taken = 0
        while True:
            room = self._at_once - len(self._under_way)
            queues = await claim_due(self._database, self._clock(), room, self._under_way, self._lane)
            for queue in queues:
                self._begin(queue)
            claimed = sum(map(len, queues))
            taken += claimed
            if claimed < room:
                return taken
            while len(self._under_way) > self._at_once // 2:
                await asyncio.wait(self._last.values(), return_when=asyncio.FIRST_COMPLETED)

    def _begin(self, queue: list[Outbox]) -> None:
        workflow, rows = queue[0].workflow_id, {row.id for row in queue}
        self._under_way |= rows
        task = asyncio.create_task(self._deliver(queue, self._last.get(workflow)))
        self._last[workflow] = task

        def done(_: asyncio.Task[None]) -> None:
            self._under_way -= rows
            if self._last.get(workflow) is task:
                del self._last[workflow]

        task.add_done_callback(done)

    async def _deliver(self, queue: list[Outbox], before: asyncio.Task[None] | None) -> None:
        workflow = queue[0].workflow_id
        if before is not None:
            await asyncio.wait({before})
        try:
            operation = ids.operation_of(workflow) or queue[0].payload.get("operation")
            with about(workflow=workflow, operation=operation):
                await deliver_in_order(self._database, self._send, queue, self._clock)
        except Exception as error:
            # The claims run out, and then the rows are due again.
            if concerns_everybody(error):
                log.warning("the records are away for what goes to %s", workflow)
            else:
                log.exception("could not deliver what goes to %s", workflow)
