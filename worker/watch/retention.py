"""Forgets what nobody looks at any more, a batch at a time: what Temporal was told, Stripe's events, and from
where customers opened their pages.

One of all workers does, now and then. Who decided what, what was sent to Stripe and which mails went out
stays: it is evidence, and names no customer but by id.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from db.core.clock import Clock, utc_now
from db.core.session import Database
from db.incidents import turns
from db.operations import outbox
from db.people import reads
from db.portal import visits
from db.stripe import events

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=90)
"""After it was settled: longer than Stripe lists events (30 days), and than Temporal keeps a workflow that
has ended, which may be started anew by what had started it."""

READS_KEPT_FOR = timedelta(days=400)
"""Of who read what: longer than the year that an audit is of."""

EVERY = timedelta(minutes=10)
BATCH = 1000
"""Rows of one transaction: nobody waits for long behind it."""
BATCHES = 20
"""Of each kind and turn: three million a day, so that a release that has not forgotten catches up."""

Forget = Callable[[AsyncSession, datetime, int], Awaitable[int]]


class Retention:
    """`look` is one round of it."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database, self._clock = database, clock

    async def look(self) -> int:
        """How many rows were forgotten, where it was this worker's turn. Raises what the records raise."""
        if not await turns.take(self._database, "retention", EVERY, self._clock):
            return 0
        before = self._clock() - KEPT_FOR
        forgotten = 0
        for forget in (outbox.forget, events.forget, visits.forget_traces):
            forgotten += await self._forget(forget, before)
        await self._forget(reads.forget, self._clock() - READS_KEPT_FOR)
        if forgotten:
            log.info("forgot %d settled rows of the outbox and of Stripe's events, and traces", forgotten)
        return forgotten

    async def _forget(self, forget: Forget, before: datetime) -> int:
        forgotten = 0
        for _ in range(BATCHES):
            async with self._database.transaction() as session:
                gone = await forget(session, before, BATCH)
            forgotten += gone
            if gone < BATCH:
                break
        return forgotten
