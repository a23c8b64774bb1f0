"""Asks Stripe every minute for the events that its webhooks have not brought."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mirror.event_catch_up import EventCatchUp
    from billing.stripe.events import CatchUpDone, CatchUpPage

from ..core import ids, options


@workflow.defn(name=ids.EVENT_CATCH_UP)
class StripeEventCatchUpWorkflow:
    """One run knows every event until it began: a page of a hundred an activity, behind people's work."""

    @workflow.run
    async def run(self, page: CatchUpPage | None = None) -> int:
        """How many events were unknown."""
        page = page or CatchUpPage(at=workflow.now())
        while True:
            done: CatchUpDone = await workflow.execute_activity_method(
                EventCatchUp.catch_up_events, page, **options.STRIPE_PAGE
            )
            if done.next is None:
                return page.missed + done.missed
            page = done.next
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(page)
