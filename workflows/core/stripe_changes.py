"""How a workflow waits for Stripe: until it is told. It looks by itself only where events may be missing.

Such looks come after events in priority: a backlog of these must not grow by them.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.mirror.events import StripeEvents
    from billing.stripe.events import STRIPE_CHANGED, EventsQuery, StripeChanged

from . import options
from .recorded import recorded
from .waiting import wait


async def wake(waiting: str) -> None:
    """Has a workflow look at what it follows in Stripe."""
    try:
        handle = workflow.get_external_workflow_handle(waiting)
        await handle.signal(STRIPE_CHANGED, StripeChanged(event=""))
    except ApplicationError:
        # It has ended: what changed is in the mirror, and nobody waits for it.
        workflow.logger.info("%s is no longer running", waiting)


class StripeChanges:
    """Whether Stripe has told of a change since the workflow last looked."""

    def __init__(self) -> None:
        self._unread = self._by_itself = False

    def notify(self) -> None:
        """Stripe has told of a change; what it is, is read from Stripe."""
        self._unread = True

    @property
    def unread(self) -> bool:
        return self._unread

    def clear(self) -> None:
        """The workflow looks now: what it is told from here on is new again."""
        self._unread = False

    def call_options(self, call: workflow.ActivityConfig) -> workflow.ActivityConfig:
        """The options of a call with which the workflow looks: one that it makes by itself can wait."""
        return call | {"priority": options.LOOKS} if self._by_itself else call

    async def wait(
        self,
        what: str,
        delays: Iterable[timedelta],
        enough: Callable[[], bool] = lambda: False,
        objects: Iterable[str] = (),
    ) -> bool:
        """Waits for `what`: until there is a change or `enough` holds, or after a delay at which events may
        be missing.

        `delays` follow each other; where they end and all events are known, there is nothing to look for:
        False. With `objects`, Stripe ids, the events of all others are others' business.
        """
        self._by_itself = False
        for delay in delays:
            if not await wait(what, lambda: self._unread or enough(), delay):
                if await _events_known(tuple(objects)):
                    continue
                self._by_itself = True
            return True
        return self._unread or enough()


async def _events_known(objects: tuple[str, ...]) -> bool:
    query = EventsQuery(at=workflow.now(), objects=objects)
    known: bool = await recorded(StripeEvents.check_events_known, query)
    return known
