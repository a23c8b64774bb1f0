"""Drives changes from the request over the decision to the end, and times them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from temporalio.client import Client

from .contenders import Contender, RequestedChange

LOOK_EVERY = 0.05
LOOK_CLOSELY = 0.01
"""Seconds between two looks at which reviews are open; closely where one change is timed alone."""

PAUSE = 0.3
"""Seconds that a person takes to decide when alone; not counted, and mails arrive meanwhile."""

PATIENCE = 120.0
"""Seconds until a change that does not end is taken for a failure."""


@dataclass(frozen=True)
class Timing:
    """Seconds: from the request to the open review, and from the decision to the end."""

    asked: RequestedChange
    until_review: float
    after_decision: float

    @property
    def total(self) -> float:
        return self.until_review + self.after_decision


class OpenReviews:
    """Tells who waits that a review is open. One look serves all: looking must not become the load."""

    def __init__(self) -> None:
        self._waiting: dict[Contender, dict[str, asyncio.Event]] = {}
        self.every = LOOK_EVERY

    async def wait(self, contender: Contender, asked: RequestedChange) -> None:
        """Until the review can be decided."""
        waiting = self._waiting.setdefault(contender, {})
        waiting[asked.review] = asyncio.Event()
        try:
            async with asyncio.timeout(PATIENCE):
                await waiting[asked.review].wait()
        finally:
            del waiting[asked.review]

    async def look(self) -> None:
        """As long as somebody may wait."""
        while True:
            for contender, waiting in list(self._waiting.items()):
                if waiting:
                    opened = await contender.open_reviews()
                    for review in filter(opened.__contains__, list(waiting)):
                        waiting[review].set()
            await asyncio.sleep(self.every)


class Driver:
    """Runs changes of any contender on one Temporal server."""

    def __init__(self, temporal: Client, reviews: OpenReviews) -> None:
        self._temporal = temporal
        self._reviews = reviews

    async def alone(self, contender: Contender) -> Timing:
        """One change with nothing else going on. Its end is timed by the server."""
        asked_at = time.time()
        asked = await contender.ask()
        opened_at = await self.opened(contender, asked)
        await asyncio.sleep(PAUSE)
        decided_at = await self._decide(contender, asked)
        await self._completed(contender, asked)
        closed = (await self._temporal.get_workflow_handle(asked.workflow).describe()).close_time
        assert closed is not None, "it has just been awaited"
        return Timing(asked, opened_at - asked_at, closed.timestamp() - decided_at)

    async def burst(self, contender: Contender, changes: int, at_once: int) -> float:
        """So many changes, `at_once` of them at any time; gives how many were completed a second."""
        left = iter(range(changes))

        async def one_after_another() -> None:
            for _ in left:
                await self.change(contender)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as hands:
            for _ in range(at_once):
                hands.create_task(one_after_another())
        return changes / (time.perf_counter() - began)

    async def change(self, contender: Contender) -> RequestedChange:
        """One change, decided as soon as its review is open."""
        asked = await contender.ask()
        await self._reviews.wait(contender, asked)
        await self._decide(contender, asked)
        await self._completed(contender, asked)
        return asked

    async def opened(self, contender: Contender, asked: RequestedChange) -> float:
        """Waits until the review can be decided; gives the time at which that was seen."""
        self._reviews.every = LOOK_CLOSELY
        try:
            await self._reviews.wait(contender, asked)
        finally:
            self._reviews.every = LOOK_EVERY
        return time.time()

    async def _decide(self, contender: Contender, asked: RequestedChange) -> float:
        """When the decision was sent that was taken."""
        async with asyncio.timeout(PATIENCE):
            while True:
                sent_at = await contender.decide(asked)
                if sent_at is not None:
                    return sent_at
                await asyncio.sleep(LOOK_EVERY)

    async def _completed(self, contender: Contender, asked: RequestedChange) -> None:
        async with asyncio.timeout(PATIENCE):
            result = await self._temporal.get_workflow_handle(asked.workflow).result()
        if result != "completed":
            raise RuntimeError(f"{asked.workflow} of {contender.name} ended as {result}")
        contender.done(asked)


@asynccontextmanager
async def driving(temporal: Client) -> AsyncIterator[Driver]:
    """A driver, as long as its look-out runs."""
    reviews = OpenReviews()
    looking = asyncio.create_task(reviews.look())
    try:
        yield Driver(temporal, reviews)
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
