"""The end of what a request is about, while people take their time to answer.

Stripe tells of it, and the workflow looks: a request that nothing can come of any more ends then, not when
somebody has decided on it in vain. Nobody waits for the look itself.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import chain, repeat
from typing import Any, TypeVar

from temporalio import workflow

from ..core import options
from ..core.outcome import TROUBLE, Outcome, problem_of
from ..core.stripe_changes import StripeChanges
from ..core.waiting import wait

Arg = TypeVar("Arg")
Answer = TypeVar("Answer")


class OptionalCalls:
    """Reads of Stripe that can be done without: in Stripe's bad hours they fail, and no operation is held."""

    def __init__(self, patience: workflow.ActivityConfig = options.GLANCE) -> None:
        """`patience` is how long, how often and how urgently each is tried, whatever else is said of it."""
        self._patience = patience

    def call(
        self, activity: Callable[[Any, Arg], Awaitable[Answer]], arg: Arg, how: workflow.ActivityConfig
    ) -> Awaitable[Answer]:
        answer: Awaitable[Answer] = workflow.execute_activity_method(activity, arg, **how | self._patience)
        return answer


class ObjectEnd:
    """`look` says how the operation ends because nothing can come of the request any more;
    None while something can."""

    def __init__(self, changes: StripeChanges, look: Callable[[], Awaitable[Outcome | None]]) -> None:
        self._changes, self._look = changes, look

    async def before(
        self, what: str, condition: Callable[[], bool], within: timedelta | None = None
    ) -> Outcome | None:
        """Waits for `what`, until the condition comes true or the time is up: None. Else the end that came
        first."""
        until = workflow.now() + within if within is not None else None
        again = chain(options.HOLD_LOOKS, repeat(options.HOLD_LOOKS[-1]))
        unread: timedelta | None = None
        while True:
            left = max(until - workflow.now(), timedelta()) if until is not None else None
            pause = min((time for time in (left, unread) if time is not None), default=None)
            await wait(what, lambda: condition() or self._changes.unread, pause)
            if condition() or (until is not None and workflow.now() >= until):
                if unread is not None:
                    self._changes.notify()  # read in vain so far: whoever waits next looks
                return None
            self._changes.clear()
            try:
                outcome, unread = await self._look(), None
            except TROUBLE as error:
                # Whoever answers meanwhile is not in its way: then it is checked once more.
                workflow.logger.info("could not be read in Stripe: %s", problem_of(error).code)
                unread = next(again)
                continue
            if outcome is not None and not condition():
                return outcome
