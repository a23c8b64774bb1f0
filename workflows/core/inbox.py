"""What a story waits for from people: a cancellation, a revision, a resolution.

What the API accepted may arrive before its story is where the records already are: the worker was killed
between the two. So a handler waits until it is allowed, or can't be any more; and a validator, which runs
before the activity results of the same activation, may only look at what can't become true any more.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.messages import Cancel
    from billing.core.operations import Problem

from .operation import refused

Revision = TypeVar("Revision")
Resolution = TypeVar("Resolution")


class Waits(Generic[Revision, Resolution]):
    """What people have sent so far, and what they may send now."""

    def __init__(self, *, revise_within: int, too_late: str) -> None:
        """`revise_within` in plain minutes; `too_late` is what a late cancellation is told."""
        self.revise_within = timedelta(minutes=revise_within)
        self._too_late = Problem(code="too_late", message=too_late)
        self.cancellable = True
        self.past_cancelling = False
        self.revisable = False
        self.resolvable = False
        self.over = False
        self.cancelled: Cancel | None = None
        self.revised: Revision | None = None
        self.resolved: Resolution | None = None

    # --- What handlers do -----------------------------------------------------------------------------

    async def take_cancel(self, cancel: Cancel) -> None:
        await workflow.wait_condition(lambda: self.cancellable or self.past_cancelling)
        if not self.cancellable:
            raise refused(self._too_late)
        self.cancelled = cancel

    def check_cancel(self) -> None:
        if self.past_cancelling:
            raise refused(self._too_late)

    async def take_revision(self, revision: Revision) -> None:
        await workflow.wait_condition(lambda: self.revisable or self.over)
        if not self.revisable:
            raise refused(Problem(code="not_revisable", message="Nobody has asked for changes."))
        self.revised = revision

    async def take_resolution(self, resolution: Resolution) -> None:
        await workflow.wait_condition(lambda: self.resolvable or self.over)
        if not self.resolvable:
            raise refused(Problem(code="nothing_to_resolve", message="There is nothing to resolve."))
        self.resolved = resolution

    # --- What the story does --------------------------------------------------------------------------

    def cancelling(self, *, possible: bool) -> None:
        """Whether it can be taken back just now; it may become possible again."""
        self.cancellable = possible
        if possible:
            self.past_cancelling = False

    def no_more_cancelling(self) -> None:
        """From here on the change happens, or has been taken back."""
        self.cancellable = False
        self.past_cancelling = True

    def close(self) -> None:
        """Nobody can send anything any more; handlers that still wait answer so."""
        self.no_more_cancelling()
        self.revisable = self.resolvable = False
        self.over = True

    async def until(self, condition: Callable[[], bool], within: timedelta | None = None) -> bool:
        """Whether the condition came true in time; timing out is an answer, not an error."""
        try:
            await workflow.wait_condition(condition, timeout=within)
        except TimeoutError:
            return False
        return True

    async def for_resolution(self) -> Resolution:
        """However long it takes: what went wrong is never left to a timer."""
        self.resolvable = True
        await workflow.wait_condition(lambda: self.resolved is not None)
        self.resolvable = False
        resolved, self.resolved = self.resolved, None
        assert resolved is not None
        return resolved
