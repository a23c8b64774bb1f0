"""Held stories go on again: one tries first, then the others, the oldest first, slowly at first."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.incidents import Incidents
    from billing.holds import RELEASED, Released
    from billing.incident_messages import HeldStory, LetGo, NextHolds
    from billing.incidents import Component

from . import options


class Release:
    """`pace` is how many go on within the next second; 0 when nobody waits, or nobody may."""

    def __init__(self, component: Component, pace: int) -> None:
        self._component = component
        self.pace = pace

    @property
    def goes_on(self) -> bool:
        return self.pace > 0

    def begin(self) -> None:
        self.pace = 1

    def stop(self) -> None:
        """The rest stays held."""
        self.pace = 0

    async def first(self) -> bool:
        """The oldest story may try; False when none waits."""
        while stories := await self._next(1, trial=True):
            if await self._let_go(stories, trial=True):
                return True
        return False

    async def some(self, within: timedelta, stopped: Callable[[], bool]) -> None:
        """Tells stories for so long that they may go on; waits for the rest of the time, until `stopped`."""
        ends = workflow.now() + within
        while self.goes_on and workflow.now() < ends:
            await self._step()
        left = ends - workflow.now()
        if left > timedelta(0):
            try:
                await workflow.wait_condition(stopped, timeout=left)
            except TimeoutError:
                return

    async def rest(self) -> None:
        """Tells all others, at the pace that has been reached."""
        while self.goes_on:
            await self._step()

    async def _step(self) -> None:
        stories = await self._next(self.pace)
        await self._let_go(stories)
        self.pace = min(self.pace * 2, options.MOST_RELEASED) if stories else 0
        if stories:
            await asyncio.sleep(options.RELEASE_EVERY.total_seconds())

    async def _next(self, most: int, *, trial: bool = False) -> list[HeldStory]:
        order = NextHolds(component=self._component, most=most, trial=trial)
        stories: list[HeldStory] = await workflow.execute_local_activity_method(
            Incidents.next_holds, order, **options.RECORD
        )
        return stories

    async def _let_go(self, stories: list[HeldStory], *, trial: bool = False) -> bool:
        """Whether any of them was told; one that has ended meanwhile is passed over."""
        if not stories:
            return False
        order = LetGo(component=self._component, stories=tuple(stories), at=workflow.now(), trial=trial)
        await workflow.execute_local_activity_method(Incidents.let_go, order, **options.RECORD)
        return any([await self._tell(story) for story in stories])

    async def _tell(self, story: HeldStory) -> bool:
        try:
            handle = workflow.get_external_workflow_handle(story.workflow)
            await handle.signal(RELEASED, Released(hold=story.hold))
        except ApplicationError:
            workflow.logger.info("%s does not run any more", story.workflow)
            return False
        return True
