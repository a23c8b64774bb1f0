"""What a plan change waits for beside people: the end of the period."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.messages import Resolve, Revise
    from billing.plan_change import PlanChangeInput, Subject

from .story import seconds_until
from .waits import Waits


class PlanChangeWaits(Waits[Revise, Resolve]):
    def __init__(self, request: PlanChangeInput) -> None:
        self._rules = request.policy.plan_change
        super().__init__(
            revise_within=self._rules.revise_within,
            too_late="The change is already being applied in Stripe.",
        )

    async def for_period_end(self, subject: Subject) -> None:
        """Until the period ends, then from poll to poll; a cancellation ends the wait."""
        poll = timedelta(minutes=self._rules.scheduled_poll)
        await self.until(lambda: self.cancelled is not None, max(seconds_until(subject.period_end), poll))
