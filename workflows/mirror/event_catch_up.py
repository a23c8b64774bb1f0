"""Asks Stripe for the events that its webhooks have not brought: each minute while anything happens."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mirror.event_catch_up import EventCatchUp
    from billing.stripe.events import CatchUpDone, CatchUpPage

from ..core import anew, ids, options


@workflow.defn(name=ids.EVENT_CATCH_UP)
class StripeEventCatchUpWorkflow:
    """One run knows every event until it began: a page of a hundred an activity, behind people's work."""

    @workflow.run
    async def run(self, page: CatchUpPage) -> int:
        """How many events were unknown."""
        while True:
            done: CatchUpDone = await workflow.execute_activity_method(
                EventCatchUp.catch_up_events, page, **options.STRIPE_PAGE
            )
            if done.next is None:
                return page.missed + done.missed
            page = done.next
            if anew.is_time():
                anew.go_on(page)
