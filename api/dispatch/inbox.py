"""Where Stripe's events are stored: those that arrive while others are committed are committed together.

Stripe sends them in bursts, and a commit costs about the same for twenty as for one. Nobody waits for
company: an event that comes alone is stored at once. Each is answered only after its own commit.
"""

import asyncio

from db.core.session import Database
from db.stripe import events as stripe_events
from db.stripe.events import ArrivedEvent, StoredEvent

AT_ONCE = 100
"""Events of one commit at most."""

LANES = 4
"""Commits at any time, where the database takes several: one may be waiting for the disk, another's answer be
on its way."""

Waiting = tuple[ArrivedEvent, "asyncio.Future[StoredEvent]"]


class Inbox:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Waiting] = []
        self._lanes = 1 if database.is_sqlite else LANES
        self._busy = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self, event: ArrivedEvent) -> StoredEvent:
        """Store the event, for a worker to follow. Raises what the database does.

        Whoever gives up waiting does not take the event back.
        """
        stored: asyncio.Future[StoredEvent] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, stored))
        if self._busy < self._lanes:
            self._busy += 1
            lane = asyncio.create_task(self._store())
            self._tasks.add(lane)  # the loop itself keeps no hold of it
            lane.add_done_callback(self._tasks.discard)
        return await stored

    async def _store(self) -> None:
        """Until nobody waits any more: nothing comes between that and making way for the next."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._commit(batch)
        finally:
            self._busy -= 1

    async def _commit(self, batch: list[Waiting]) -> None:
        try:
            async with self._database.transaction() as session:
                outcomes = await stripe_events.keep(session, [event for event, _ in batch])
        except Exception as error:
            for _, stored in batch:
                if not stored.done():
                    stored.set_exception(error)
            return
        for (_, stored), kept in zip(batch, outcomes, strict=True):
            if not stored.done():
                stored.set_result(kept)
