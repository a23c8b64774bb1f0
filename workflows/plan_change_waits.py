"""What a plan change waits for: a cancellation, a revision, a resolution, the end of the period."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.messages import Cancel, Resolve, Revise
    from billing.plan_change import PlanChangeInput, Subject

from .story import seconds_until


class PlanChangeWaits:
    """What people have sent so far, and what they may send now."""

    def __init__(self, request: PlanChangeInput) -> None:
        self._rules = request.policy.plan_change
        self.cancellable = True
        self.past_cancelling = False
        self.revisable = False
        self.resolvable = False
        self.over = False
        self.cancelled: Cancel | None = None
        self.revised: Revise | None = None
        self.resolved: Resolve | None = None

    def no_more_cancelling(self) -> None:
        """From here on the change happens, or has been taken back."""
        self.cancellable = False
        self.past_cancelling = True

    def close(self) -> None:
        """Nobody can send anything any more; handlers that still wait answer so."""
        self.no_more_cancelling()
        self.revisable = self.resolvable = False
        self.over = True

    async def until(self, condition: Callable[[], bool], within: timedelta | None = None) -> bool:
        """Whether the condition came true in time; timing out is an answer, not an error."""
        try:
            await workflow.wait_condition(condition, timeout=within)
        except TimeoutError:
            return False
        return True

    async def for_revision(self) -> Revise | None:
        """The revised request, or None when it was cancelled or nobody sent one in time."""
        limit = timedelta(minutes=self._rules.revise_within)
        await self.until(lambda: self.revised is not None or self.cancelled is not None, limit)
        revised, self.revised = self.revised, None
        return revised

    async def for_resolution(self) -> Resolve:
        """However long it takes: a mismatch is never left to a timer."""
        await workflow.wait_condition(lambda: self.resolved is not None)
        self.resolvable = False
        assert self.resolved is not None
        return self.resolved

    async def for_period_end(self, subject: Subject) -> None:
        """Until the period ends, then from poll to poll; a cancellation ends the wait."""
        poll = timedelta(minutes=self._rules.scheduled_poll)
        await self.until(lambda: self.cancelled is not None, max(seconds_until(subject.period_end), poll))
