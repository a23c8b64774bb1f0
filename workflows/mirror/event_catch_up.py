"""Asks Stripe for the events that its webhooks have not brought: each minute while anything happens."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mirror.event_catch_up import EventCatchUp
    from activities.mirror.events import StripeEvents
    from billing.stripe.events import CatchUpDone, CatchUpPage, EventsQuery

from ..core import ids, options
from ..core.recorded import recorded


@workflow.defn(name=ids.EVENT_CATCH_UP)
class StripeEventCatchUpWorkflow:
    """One run knows every event until it began: a page of a hundred an activity, behind people's work."""

    @workflow.run
    async def run(self, page: CatchUpPage | None = None) -> int:
        """How many events were unknown. Without a page, as the schedule starts it, it asks when it is due."""
        if page is None:
            page = CatchUpPage(at=workflow.now())
            if not await recorded(StripeEvents.check_events_due, EventsQuery(at=page.at)):
                return 0
        while True:
            done: CatchUpDone = await workflow.execute_activity_method(
                EventCatchUp.catch_up_events, page, **options.STRIPE_PAGE
            )
            if done.next is None:
                return page.missed + done.missed
            page = done.next
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(page)
