"""Held workflows go on again: one tries first, then the others, the oldest first, slowly at first."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.incidents.incidents import Incidents
    from billing.incidents.health import HealthSample
    from billing.incidents.holds import RELEASED, HoldRelease
    from billing.incidents.messages import (
        AbandonedHolds,
        HeldWorkflow,
        HoldsNext,
        IncidentInput,
        LetGo,
        NextHolds,
    )

from ..core import options
from ..core.recorded import recorded
from ..core.waiting import pause, wait

GOES_ON = "Lets what was held go on, some at a time."


class Release:
    """`pace` is how many go on within the next second; 0 when nobody waits, or nobody may."""

    def __init__(self, request: IncidentInput, pace: int) -> None:
        self._component, self._policy = request.component, request.policy
        self.pace = pace
        self.failing: HealthSample | None = None
        """The sample by which calls failed again."""

    @property
    def goes_on(self) -> bool:
        return self.pace > 0

    def begin(self) -> None:
        self.pace, self.failing = 1, None

    def stop(self) -> None:
        """The rest stays held."""
        self.pace = 0

    async def first(self) -> bool:
        """The oldest workflow may try; False when none waits."""
        while workflows := (await self._next(1, workflow.now(), trial=True)).workflows:
            if await self._let_go(workflows, trial=True):
                return True
        return False

    async def some(self, within: timedelta, since: datetime, stopped: Callable[[], bool]) -> None:
        """Tells workflows for so long that they may go on; waits for the rest of the time, until `stopped`.

        Stops at once, with `failing`, when calls since `since` fail again.
        """
        ends = workflow.now() + within
        while self.goes_on and workflow.now() < ends:
            await self._step(since)
        left = ends - workflow.now()
        if left > timedelta(0) and self.failing is None:
            await wait("Waits to look at the component again.", stopped, left)

    async def rest(self, since: datetime, in_a_new_history: Callable[[], None]) -> None:
        """Tells all others, slowly where it fails again: the incident is cleared, and it is another one's to
        hold them once more. `in_a_new_history` is called where it may go on there."""
        last = workflow.now()
        while self.goes_on:
            if await self._step(since):
                last = workflow.now()
            if self.failing is not None:
                self.begin()
                await pause(GOES_ON, options.RELEASE_EVERY)
            elif workflow.now() - last > options.UNDER_WAY_FOR:
                return
            in_a_new_history()

    async def _step(self, since: datetime) -> bool:
        """Whether anybody was told; who was and has not gone on yet is waited for."""
        found = await self._next(self.pace, since)
        self.failing = found.failing
        await self._let_go(found.workflows)
        if found.workflows:
            self.pace = min(self.pace * 2, options.MAX_RELEASED)
            await pause(GOES_ON, options.RELEASE_EVERY)
        elif found.under_way:
            self.pace = 1
            await pause(GOES_ON, options.UNDER_WAY_EVERY)
        else:
            self.pace = 0
        return bool(found.workflows)

    async def _next(self, most: int, since: datetime, *, trial: bool = False) -> HoldsNext:
        order = NextHolds(
            component=self._component,
            limit=most,
            policy=self._policy,
            since=since,
            at=workflow.now(),
            trial=trial,
        )
        return await recorded(Incidents.read_next_holds, order)

    async def _let_go(self, workflows: tuple[HeldWorkflow, ...], *, trial: bool = False) -> bool:
        """Whether any of them was told; one that has ended meanwhile is noted, and passed over."""
        if not workflows:
            return False
        order = LetGo(component=self._component, workflows=workflows, at=workflow.now(), trial=trial)
        await recorded(Incidents.release_holds, order)
        # Side by side: they are no more than `MAX_RELEASED`, and each costs two events.
        told = await asyncio.gather(*(self._tell(held) for held in workflows))
        if over := tuple(held.hold for held, runs in zip(workflows, told, strict=True) if not runs):
            gone = AbandonedHolds(holds=over, at=workflow.now())
            await recorded(Incidents.close_holds, gone)
        return any(told)

    async def _tell(self, held: HeldWorkflow) -> bool:
        try:
            handle = workflow.get_external_workflow_handle(held.workflow)
            await handle.signal(RELEASED, HoldRelease(hold=held.hold))
        except ApplicationError:
            workflow.logger.info("%s is no longer running", held.workflow)
            return False
        return True
