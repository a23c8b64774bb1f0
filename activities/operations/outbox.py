"""Passes on what the API could not: Temporal was down, or the API was killed after its commit."""

from collections.abc import Callable
from datetime import datetime

from temporalio import activity

from db.core.clock import utc_now
from db.core.session import Database
from db.delivery.delivery import Send, deliver_due

BATCH = 100


class OutboxSweep:
    def __init__(self, database: Database, send: Send, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._send = send
        self._clock = clock

    @activity.defn
    async def deliver_outbox(self) -> int:
        """Delivers one batch of what is due; returns its size."""
        return await deliver_due(self._database, self._send, self._clock, BATCH)
