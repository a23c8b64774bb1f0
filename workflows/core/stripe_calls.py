"""What a workflow asks of Stripe. While Stripe is degraded it is held, listed, and released in its turn."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import chain, repeat
from typing import Any, Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.operations.holds import Holds
    from billing.core.operations import Problem, State
    from billing.incidents.holds import (
        HELD,
        RELEASED,
        UNPERMITTED,
        HoldForPermission,
        HoldOperation,
        HoldQuery,
        HoldRelease,
        ResumeOperation,
        hold_id,
    )
    from billing.incidents.states import Component

from . import options, search, waiting
from .recorded import recorded

HELD_WAIT = "Held: waits until Stripe can be used again."
UNPERMITTED_WAIT = "Held: waits until our key for Stripe has the permission that it lacks."

Arg = TypeVar("Arg")
Answer = TypeVar("Answer")


class StripeCaller(Protocol):
    """Whoever calls Stripe for an operation."""

    def call(
        self, activity: Callable[[Any, Arg], Awaitable[Answer]], arg: Arg, how: workflow.ActivityConfig
    ) -> Awaitable[Answer]: ...


class StripeCalls:
    """One a workflow, made in its `@workflow.init`: from then on it can be released.

        call ── held ── Holds.hold_operation: its row, operation `held` ──
        ── signal RELEASED ── Holds.resume_operation ── call again

    Calls that are refused together share one hold. A workflow whose release was lost finds out by itself: now
    and again it looks whether its hold still stands.
    """

    def __init__(self, organization: str, operation: str) -> None:
        self._organization, self._operation = organization, operation
        self._holds = 0
        self._released: set[str] = set()
        self._one_hold = asyncio.Lock()
        self._resumed_at: float | None = None
        self._waiting = 0
        self._before_held: State | None = None
        workflow.set_signal_handler(RELEASED, self._release)

    def call(
        self, activity: Callable[[Any, Arg], Awaitable[Answer]], arg: Arg, how: workflow.ActivityConfig
    ) -> Awaitable[Answer]:
        """The activity's answer, however long Stripe's bad hours last.

        It is scheduled at once, so several may be gathered. Raises ActivityError for what is no hold.
        """
        return self._finished(self._start(activity, arg, how), self._holds, activity, arg, how)

    async def _finished(
        self,
        running: workflow.ActivityHandle[Answer],
        holds: int,
        activity: Callable[[Any, Arg], Awaitable[Answer]],
        arg: Arg,
        how: workflow.ActivityConfig,
    ) -> Answer:
        unpermitted: int | None = None
        listed = False
        looks = chain(options.PERMISSION_LOOKS, repeat(options.PERMISSION_LOOKS[-1]))
        while True:
            try:
                answer = await running
            except ActivityError as error:
                cause = error.cause
                if not (isinstance(cause, ApplicationError) and cause.type in (HELD, UNPERMITTED)):
                    await self._permitted(unpermitted)
                    raise
            else:
                await self._permitted(unpermitted)
                return answer
            if cause.type == HELD:
                await self._until_released(holds)
            else:
                if unpermitted is None or not listed:
                    unpermitted = await self._hold_unpermitted(cause.message, unpermitted)
                listed = not await self._until_permitted(unpermitted, next(looks))
            holds, running = self._holds, self._start(activity, arg, how)

    def _start(
        self, activity: Callable[[Any, Arg], Awaitable[Answer]], arg: Arg, how: workflow.ActivityConfig
    ) -> workflow.ActivityHandle[Answer]:
        config: workflow.ActivityConfig = how | {"retry_policy": options.UNLESS_HELD}
        if self._resumed_at is not None:
            passed = workflow.now().timestamp() - self._resumed_at
            if passed < options.RESUMED_FOR.total_seconds():
                config["priority"] = options.RESUMED
        handle: workflow.ActivityHandle[Answer] = workflow.start_activity_method(activity, arg, **config)
        return handle

    # --- Being held -----------------------------------------------------------------------------------

    def _release(self, released: HoldRelease) -> None:
        self._released.add(released.hold)

    async def _hold_unpermitted(self, message: str, number: int | None) -> int:
        """Our key lacks a permission: the operation says so and tries again until somebody grants it. With
        `number` it was told to go on, and is held as before: it lacks one still."""
        if number is None:
            self._holds += 1
            number = self._holds
            self._show_held()
        problem = Problem(code=UNPERMITTED, message=message)
        hold = HoldForPermission(**self._hold(number, Component.STRIPE_KEY).model_dump(), problem=problem)
        await recorded(Holds.hold_for_permission, hold)
        return number

    async def _until_permitted(self, number: int, wait: timedelta) -> bool:
        """Until it is worth another try; whether that is because it was released."""
        released = hold_id(workflow.info().workflow_id, number)
        await waiting.wait(UNPERMITTED_WAIT, lambda: released in self._released, wait)
        was_released = released in self._released
        self._released.discard(released)
        return was_released

    def _show_held(self) -> None:
        """From here on it is found as held."""
        if not self._waiting:
            self._before_held = search.shown()
        self._waiting += 1
        search.show(State.HELD)

    def _show_resumed(self) -> None:
        """Nothing is held any more, unless something else still is: it is found as it was before."""
        self._waiting -= 1
        if not self._waiting and self._before_held is not None:
            search.show(self._before_held)

    async def _permitted(self, number: int | None) -> None:
        if number is not None:
            await self._resume(number)
            self._show_resumed()

    async def _resume(self, number: int) -> None:
        workflow_id = workflow.info().workflow_id
        resume = ResumeOperation(
            operation=self._operation, workflow=workflow_id, number=number, at=workflow.now()
        )
        await recorded(Holds.resume_operation, resume)

    def _hold(self, number: int, component: Component = Component.STRIPE) -> HoldOperation:
        return HoldOperation(
            organization=self._organization,
            operation=self._operation,
            workflow=workflow.info().workflow_id,
            component=component,
            number=number,
            at=workflow.now(),
        )

    async def _until_released(self, holds: int) -> None:
        """`holds` there had been when the call was made: another of the same moment may have waited."""
        async with self._one_hold:
            if self._holds > holds:
                return
            self._holds += 1
            number, workflow_id = self._holds, workflow.info().workflow_id
            held = await recorded(Holds.hold_operation, self._hold(number))
            if held.waiting:
                self._show_held()
                await self._until_over(HoldQuery(hold=hold_id(workflow_id, number), workflow=workflow_id))
                await self._resume(number)
                self._show_resumed()
            self._resumed_at = workflow.now().timestamp()

    async def _until_over(self, query: HoldQuery) -> None:
        for wait in chain(options.HOLD_LOOKS, repeat(options.HOLD_LOOKS[-1])):
            told = await waiting.wait(HELD_WAIT, lambda: query.hold in self._released, wait)
            if told or not await recorded(Holds.check_held, query):
                return
