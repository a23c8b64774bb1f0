"""What a plan change waits for beside people: the end of the period, and what Stripe tells."""

from collections.abc import Iterator
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.subject import PlanChangeInput, Subject

from ..core.inbox import Waits
from ..core.operation import seconds_until
from ..core.stripe_news import News


class PlanChangeWaits(Waits[Revise, Resolve]):
    def __init__(self, request: PlanChangeInput) -> None:
        self._rules = request.policy.plan_change
        super().__init__(
            revise_within=self._rules.revise_within,
            too_late="The change is already being applied in Stripe.",
        )
        self.news = News()
        self._subscription = request.subscription

    async def for_period_end(self, subject: Subject) -> None:
        """Until Stripe tells of the subscription, or the period has ended and nobody would tell; a
        cancellation ends the wait."""
        await self.news.wait(self._delays(subject), lambda: self.cancelled is not None, [self._subscription])

    def _delays(self, subject: Subject) -> Iterator[timedelta]:
        poll = timedelta(minutes=self._rules.scheduled_poll)
        while True:
            yield max(seconds_until(subject.period_end), poll)
