"""What a story asks of Stripe. While Stripe is degraded it is held, listed, and released in its turn."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.holds import Holds
    from billing.holds import HELD, RELEASED, HoldQuery, HoldStory, Released, ResumeStory, hold_id
    from billing.incidents import Component

from . import options
from .recorded import recorded

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class StripeCalls:
    """One a story, made in its `@workflow.init`: from then on it can be released.

        call ── held ── Holds.hold: its row, operation `held` ── signal RELEASED ── Holds.resume ── call again

    Calls that are refused together share one hold. A story whose release was lost finds out by itself: now
    and again it looks whether its hold still stands.
    """

    def __init__(self, organization: str, operation: str) -> None:
        self._organization, self._operation = organization, operation
        self._holds = 0
        self._released: set[str] = set()
        self._one_hold = asyncio.Lock()
        self._resumed_at: float | None = None
        workflow.set_signal_handler(RELEASED, self._release)

    def call(
        self, activity: Callable[[Any, Asked], Awaitable[Answer]], arg: Asked, how: dict[str, Any]
    ) -> Awaitable[Answer]:
        """The activity's answer, however long Stripe's bad hours last.

        It is scheduled at once, so several may be gathered. Raises ActivityError for what is no hold.
        """
        return self._finished(self._start(activity, arg, how), self._holds, activity, arg, how)

    async def _finished(
        self,
        running: workflow.ActivityHandle[Answer],
        holds: int,
        activity: Callable[[Any, Asked], Awaitable[Answer]],
        arg: Asked,
        how: dict[str, Any],
    ) -> Answer:
        while True:
            try:
                return await running
            except ActivityError as error:
                if not (isinstance(error.cause, ApplicationError) and error.cause.type == HELD):
                    raise
            await self._until_released(holds)
            holds, running = self._holds, self._start(activity, arg, how)

    def _start(
        self, activity: Callable[[Any, Asked], Awaitable[Answer]], arg: Asked, how: dict[str, Any]
    ) -> workflow.ActivityHandle[Answer]:
        given = how | {"retry_policy": options.UNLESS_HELD}
        if self._resumed_at is not None:
            passed = workflow.now().timestamp() - self._resumed_at
            if passed < options.RESUMED_FOR.total_seconds():
                given["priority"] = options.RESUMED
        handle: workflow.ActivityHandle[Answer] = workflow.start_activity_method(activity, arg, **given)
        return handle

    # --- Being held -----------------------------------------------------------------------------------

    def _release(self, released: Released) -> None:
        self._released.add(released.hold)

    async def _until_released(self, holds: int) -> None:
        """`holds` there had been when the call was made: another of the same moment may have waited."""
        async with self._one_hold:
            if self._holds > holds:
                return
            self._holds += 1
            number, id_ = self._holds, workflow.info().workflow_id
            story = HoldStory(
                organization=self._organization,
                operation=self._operation,
                workflow=id_,
                component=Component.STRIPE,
                number=number,
                at=workflow.now(),
            )
            held = await recorded(Holds.hold, story)
            if held.waiting:
                await self._until_over(HoldQuery(hold=hold_id(id_, number), workflow=id_))
                resume = ResumeStory(
                    operation=self._operation, workflow=id_, number=number, at=workflow.now()
                )
                await recorded(Holds.resume, resume)
            self._resumed_at = workflow.now().timestamp()

    async def _until_over(self, query: HoldQuery) -> None:
        for wait in chain(options.HOLD_LOOKS, repeat(options.HOLD_LOOKS[-1])):
            try:
                await workflow.wait_condition(lambda: query.hold in self._released, timeout=wait)
            except TimeoutError:
                if await recorded(Holds.still_held, query):
                    continue
            return
