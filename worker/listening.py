"""A loop that looks for what is due: each second, and at once when PostgreSQL says that some was written."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

from db.core.session import AWAY, Database
from db.operations.outbox import CHANNEL

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds. PostgreSQL says at once what is due when it is written; nobody says so of what becomes due."""
LISTEN_AGAIN = 5.0
LET_END = 5.0
"""Seconds that what is under way gets when the worker stops."""


class ListeningLoop:
    def __init__(
        self,
        database: Database,
        what: str,
        told: Collection[str],
        *,
        beside: "ListeningLoop | None" = None,
        gather: float = 0.0,
    ) -> None:
        """`what` names in the log what it looks for, and `told` is how PostgreSQL says that some was written.
        One `beside` another hears that by its connection. It looks `gather` seconds after that: more may come
        together."""
        self._database, self._what, self._gather = database, what, gather
        self._written = asyncio.Event()
        self._told = frozenset(told)
        self._heard: list[ListeningLoop] = [self] if beside is None else []
        """Whom it tells what PostgreSQL says; empty where another one listens."""
        if beside is not None:
            beside._heard.append(self)

    def again(self) -> None:
        """Something may be due now."""
        self._written.set()

    async def run(self, look: Callable[[], Awaitable[object]]) -> None:
        """Until it is cancelled; whatever fails is tried again."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                self._written.clear()
                try:
                    await look()
                except AWAY as error:
                    log.warning("could not read %s: %s", self._what, type(error).__name__)
                except Exception:
                    log.exception("could not read %s", self._what)
                with suppress(TimeoutError):
                    # Not wait_for: in Python 3.11 it forgets a cancellation when it is woken in that moment.
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._written.wait()
                    await asyncio.sleep(self._gather)
        finally:
            listening.cancel()

    async def _listen(self) -> None:
        """What PostgreSQL says while it can be heard; between, and on SQLite, looking has to do."""
        while self._heard and not self._database.is_sqlite:
            try:
                await self._database.listen(CHANNEL, self._wake)
            except AWAY as error:
                log.debug("not listening to what is due: %s", type(error).__name__)
            await asyncio.sleep(LISTEN_AGAIN)

    def _wake(self, said: str | None) -> None:
        for loop in self._heard:
            if said is None or said in loop._told:
                loop.again()


async def let_end(under_way: Iterable[asyncio.Task[Any]]) -> None:
    """What is under way ends, or is cut off after `LET_END`."""
    tasks = set(under_way)
    if not tasks:
        return
    _, cut_off = await asyncio.wait(tasks, timeout=LET_END)
    for task in cut_off:
        task.cancel()
