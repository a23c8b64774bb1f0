"""Where Stripe's events are stored: those that arrive while others are committed are committed together.

Stripe sends them in bursts, and a commit costs about the same for twenty as for one. Nobody waits for
company: an event that comes alone is stored at once. Each is answered only after its own commit.
"""

import asyncio

from db import stripe_events
from db.session import Database
from db.stripe_events import Arrived, Kept

AT_ONCE = 100
"""Events of one commit at most."""

Waiting = tuple[Arrived, "asyncio.Future[Kept]"]


class Inbox:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Waiting] = []
        self._storing: asyncio.Task[None] | None = None

    async def keep(self, event: Arrived) -> Kept:
        """Store the event, and with it the start of what follows it. Raises what the database does.

        Whoever gives up waiting does not take the event back.
        """
        stored: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        return await stored

    async def _store(self) -> None:
        """Until nobody waits any more."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._commit(batch)
        finally:
            self._storing = None

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
