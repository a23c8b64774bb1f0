"""What people send to a running operation: a cancellation, a revision, a resolution.

What the API accepted may arrive before its workflow is where the records already are: the worker was killed
between the two. So a handler waits until its command is taken, or can't be any more; and a validator, which
runs before the activity results of the same activation, may only look at what can't become true any more.
"""

from datetime import timedelta
from enum import Enum, auto
from typing import Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.messages import Cancel
    from billing.core.operations import Problem

from .outcome import refused

Command = TypeVar("Command")
Revision = TypeVar("Revision")
Resolution = TypeVar("Resolution")

NOT_REVISABLE = Problem(code="not_revisable", message="Nobody has asked for changes.")
NOTHING_TO_RESOLVE = Problem(code="nothing_to_resolve", message="There is nothing to resolve.")


class Window(Enum):
    """Whether a command is taken now."""

    NOT_YET = auto()
    OPEN = auto()
    CLOSED = auto()


class PendingCommand(Generic[Command]):
    """One kind of command: what was sent last, and whether it is taken."""

    def __init__(self, window: Window, refusal: Problem) -> None:
        """`refusal` is what a command is told that comes too late."""
        self._window, self._refusal = window, refusal
        self.received: Command | None = None

    # --- What handlers do -----------------------------------------------------------------------------

    async def take(self, command: Command) -> None:
        """Waits until it may be taken. Raises ApplicationError once it can't be any more."""
        await workflow.wait_condition(lambda: self._window is not Window.NOT_YET)
        if self._window is not Window.OPEN:
            raise refused(self._refusal)
        self.received = command

    def check(self) -> None:
        """For validators. Raises ApplicationError for what comes too late."""
        if self._window is Window.CLOSED:
            raise refused(self._refusal)

    # --- What the workflow does -----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._window is Window.OPEN

    def open(self) -> None:
        self._window = Window.OPEN

    def pause(self) -> None:
        """Not now, but perhaps later."""
        self._window = Window.NOT_YET

    def close(self) -> None:
        """Never again; handlers that still wait answer so."""
        self._window = Window.CLOSED

    def pop(self) -> Command | None:
        """What was sent, once; the next one is not taken yet."""
        self.pause()
        received, self.received = self.received, None
        return received

    async def next(self) -> Command:
        """Waits for the next one, however long it takes."""
        self.open()
        await workflow.wait_condition(lambda: self.received is not None)
        received = self.pop()
        assert received is not None
        return received


class PendingCommands(Generic[Revision, Resolution]):
    """The commands of one operation. It can be cancelled from the beginning."""

    def __init__(self, *, revise_within: int, too_late: str) -> None:
        """`revise_within` in plain minutes; `too_late` is what a late cancellation is told."""
        self.revise_within = timedelta(minutes=revise_within)
        too_late_problem = Problem(code="too_late", message=too_late)
        self.cancel: PendingCommand[Cancel] = PendingCommand(Window.OPEN, too_late_problem)
        self.revise: PendingCommand[Revision] = PendingCommand(Window.NOT_YET, NOT_REVISABLE)
        self.resolve: PendingCommand[Resolution] = PendingCommand(Window.NOT_YET, NOTHING_TO_RESOLVE)

    def close(self) -> None:
        """Nobody can send anything any more."""
        for command in (self.cancel, self.revise, self.resolve):
            command.close()
