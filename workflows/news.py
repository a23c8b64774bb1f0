"""How a story waits for Stripe: until it is told. It looks by itself only where events may be missing."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.stripe_events import StripeEvents
    from billing.stripe_events import EventsQuery

from .recorded import recorded

EVENTS_FIRST = "events-first"
"""The patch since which stories don't look while they can count on being told."""


class News:
    """Whether Stripe has told of a change since the story last looked."""

    def __init__(self) -> None:
        self._told = False

    def tell(self) -> None:
        """Stripe has told of a change; what it is, is read from Stripe."""
        self._told = True

    def looking(self) -> None:
        """The story looks now: what it is told from here on is news again."""
        self._told = False

    async def wait(self, delays: Iterable[timedelta], enough: Callable[[], bool] = lambda: False) -> bool:
        """Until there are news or `enough` holds, or after a delay at which events may be missing.

        `delays` follow each other; where they end and all events are known, there is nothing to look for:
        False.
        """
        events_first = workflow.patched(EVENTS_FIRST)
        for delay in delays:
            try:
                await workflow.wait_condition(lambda: self._told or enough(), timeout=delay)
            except TimeoutError:
                if events_first and await _all_events_known():
                    continue
            return True
        return self._told or enough()


async def _all_events_known() -> bool:
    query = EventsQuery(at=workflow.now())
    known: bool = await recorded(StripeEvents.events_known, query)
    return known
