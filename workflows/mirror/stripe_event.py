"""One event of Stripe's: look at its object again, and wake the workflow that waits for it."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.mirror.bills import Bills
    from activities.mirror.events import StripeEvents
    from activities.mirror.mirror import Mirror
    from billing.stripe.events import (
        EventFollowed,
        RenewalQuery,
        SettleEvent,
        StripeEventInput,
    )

from ..core import ids, options
from ..core.outcome import problem_of
from ..core.recorded import recorded
from ..core.stripe_changes import wake


@workflow.defn(name=ids.STRIPE_EVENT)
class StripeEventWorkflow:
    """One run for each event id, however often and in whatever order Stripe sends them.

    An event that can't be followed is set aside: it is nobody else's trouble, and is tried again later.
    """

    @workflow.run
    async def run(self, event: StripeEventInput) -> str:
        settle = await self._followed(event)
        await recorded(StripeEvents.settle_event, settle)
        return settle.state

    async def _followed(self, event: StripeEventInput) -> SettleEvent:
        try:
            followed: EventFollowed = await workflow.execute_activity_method(
                StripeEvents.follow_event, event, **options.STRIPE_EVENT
            )
            if followed.newcomer is not None:
                await workflow.execute_activity_method(
                    Mirror.mirror_newcomer, followed.newcomer, **options.NEWCOMER
                )
        except ActivityError as error:
            return SettleEvent(event=event.event, state="set_aside", error=problem_of(error).code)
        for waiting in followed.waiting:
            await wake(waiting, event.event)
        if followed.bill is not None:
            await self._next_bill(followed.bill)
        return SettleEvent(event=event.event, state=followed.state)

    async def _next_bill(self, query: RenewalQuery) -> None:
        """After all who wait are awake. It only shows what will be: where it can't be read for long, the
        event has its end all the same, and reconciliation reads it."""
        try:
            await workflow.execute_activity_method(Bills.mirror_renewal, query, **options.RENEWAL)
        except ActivityError as error:
            workflow.logger.info(
                "the next invoice of %s is not read: %s", query.organization, problem_of(error).code
            )
