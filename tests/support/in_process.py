"""Workflows of the product run in the test's own event loop: by hundreds, and without a Temporal server.

What a workflow asks of Temporal is answered here as far as ours ask for it: activities are called,
time is the test's. Nothing is recorded, replayed or tried again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from temporalio.common import TypedSearchAttributes
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow._context import _Runtime

Answers = Mapping[str, Callable[[Any], Awaitable[Any]]]
"""What is called, by the name of the activity."""

QUIET_TURNS = 5
"""So many turns of the loop in which nothing is under way, and nobody goes on by himself."""
AT_ONCE = 8
"""Activities that run side by side."""


class InProcess:
    """What Temporal is to workflows. `now` is the test's clock (UTC seconds)."""

    def __init__(self, activities: Answers, now: Callable[[], int]) -> None:
        self._activities, self._now = activities, now
        self._under_way = 0
        self._turned: set[asyncio.Future[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._details = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Workflows may run in this loop."""
        loop = asyncio.get_running_loop()
        _Runtime.set_on_loop(loop, self)  # type: ignore[arg-type]
        try:
            yield
        finally:
            _Runtime.set_on_loop(loop, None)

    async def settled(self) -> None:
        """Waits until every workflow is over, or waits for time to pass or to be told something."""
        quiet = 0
        while quiet < QUIET_TURNS:
            if self._under_way:
                quiet = 0
                await self._turn()
            else:
                quiet += 1
                await asyncio.sleep(0)

    def look_again(self) -> None:
        """The clock has moved, or somebody was told something."""
        turned, self._turned = self._turned, set()
        for waiting in turned:
            if not waiting.done():
                waiting.set_result(None)

    async def _turn(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turned.add(waiting)
        await waiting

    async def pause(self, until: asyncio.Event) -> None:
        """Within an activity: it waits for this, and nothing of it is under way meanwhile."""
        self._under_way -= 1
        self._slots.release()
        asyncio.get_running_loop().call_soon(self.look_again)
        try:
            await until.wait()
        finally:
            self._under_way += 1
            await self._slots.acquire()

    async def _called(self, call: Awaitable[Any], name: str) -> Any:
        self._under_way += 1
        try:
            async with self._slots:
                return await call
        except ApplicationError as error:
            failed = ActivityError(
                error.message,
                scheduled_event_id=0,
                started_event_id=0,
                identity="",
                activity_type=name,
                activity_id=name,
                retry_state=None,
            )
            raise failed from error
        finally:
            self._under_way -= 1
            asyncio.get_running_loop().call_soon(self.look_again)

    # -- what temporalio.workflow asks for ---------------------------------------------------------------

    def workflow_start_activity(self, activity: Any, *args: Any, **_: Any) -> asyncio.Task[Any]:
        """An activity of that name."""
        name = activity if isinstance(activity, str) else activity.__name__
        return asyncio.ensure_future(self._called(self._activities[name](*args), name))

    workflow_start_local_activity = workflow_start_activity

    async def workflow_wait_condition(
        self,
        fn: Callable[[], bool],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as Temporal calls it
        **_: Any,
    ) -> None:
        """Until it holds, or so many seconds are over by the test's clock."""
        end = None if timeout is None else self._now() + timeout
        while not fn():
            if end is not None and self._now() >= end:
                raise TimeoutError
            await self._turn()

    def workflow_info(self) -> SimpleNamespace:
        """Found by nothing, as where a server knows none of our search attributes."""
        return SimpleNamespace(typed_search_attributes=TypedSearchAttributes.empty)

    def workflow_get_current_details(self) -> str:
        """Nobody looks at it."""
        return self._details

    def workflow_set_current_details(self, details: str) -> None:
        """Nobody looks at it."""
        self._details = details

    def workflow_time_ns(self) -> int:
        """Now."""
        return self._now() * 1_000_000_000

    def workflow_set_signal_handler(self, name: str | None, handler: Any) -> None:
        """Nobody signals by name."""

    def workflow_all_handlers_finished(self) -> bool:
        """Of what nobody has sent."""
        return True

    def workflow_cancellation_reason(self) -> str | None:
        """Nobody cancels it in Temporal."""
        return None
