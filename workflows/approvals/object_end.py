"""The end of what a request is about, while people take their time to answer.

Stripe tells of it, and the story looks: a request that nothing can come of any more ends then, not when
somebody has decided on it in vain. Nobody waits for the look itself.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import chain, repeat
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import Problem, State

from ..core import options
from ..core.inbox import Waits
from ..core.operation import TROUBLE, Ended, problem_of
from ..core.stripe_news import News

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Glances:
    """Reads of Stripe that can be done without: in Stripe's bad hours they fail, and no story is held."""

    def call(
        self, activity: Callable[[Any, Asked], Awaitable[Answer]], arg: Asked, how: workflow.ActivityConfig
    ) -> Awaitable[Answer]:
        answer: Awaitable[Answer] = workflow.execute_activity_method(activity, arg, **how | options.GLANCE)
        return answer


class ObjectEnd:
    """`look` says why nothing can come of the request any more, None while something can; `state` and
    `event` are how the operation then ends."""

    def __init__(
        self,
        waits: Waits[Any, Any],
        news: News,
        look: Callable[[], Awaitable[Problem | None]],
        *,
        state: State,
        event: EventCode,
    ) -> None:
        self._waits, self._news, self._look = waits, news, look
        self._state, self._event = state, event

    def looking(self) -> None:
        """The story reads what the request is about: what Stripe tells from here on is news."""
        self._news.looking()

    def ended(self, problem: Problem) -> Ended:
        return Ended(self._state, self._event, problem)

    async def before(self, condition: Callable[[], bool], within: timedelta | None = None) -> Problem | None:
        """Waits until the condition comes true, or the time is up: None. Otherwise what came before it."""
        until = workflow.now() + within if within is not None else None
        again = chain(options.HOLD_LOOKS, repeat(options.HOLD_LOOKS[-1]))
        unread: timedelta | None = None
        while True:
            left = max(until - workflow.now(), timedelta()) if until is not None else None
            pause = min((time for time in (left, unread) if time is not None), default=None)
            await self._waits.until(lambda: condition() or self._news.told, pause)
            if condition() or (until is not None and workflow.now() >= until):
                return None
            self._news.looking()
            try:
                problem, unread = await self._look(), None
            except TROUBLE as error:
                # Whoever answers meanwhile is not in its way: then it is checked once more.
                workflow.logger.info("not looked at in Stripe: %s", problem_of(error).code)
                unread = next(again)
                continue
            if problem is not None and not condition():
                return problem
