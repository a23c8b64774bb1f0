"""What people send to a running operation: a cancellation, a revision, a resolution.

What the API accepted may arrive before its workflow is where the records already are: the worker was killed
between the two. So a handler waits until its command is taken, or can't be any more; and a validator, which
runs before the activity results of the same activation, may only look at what can't become true any more.
"""

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.messages import Cancel, Reply
    from billing.core.operations import Problem
    from billing.operations.standing import TakenCommand

from .outcome import refused
from .waiting import wait

Revision = TypeVar("Revision", bound=Reply)
Resolution = TypeVar("Resolution", bound=Reply)
Given = TypeVar("Given", bound=Reply)

NOT_REVISABLE = Problem(code="not_revisable", message="Nobody has asked for changes.")
NOTHING_TO_RESOLVE = Problem(code="nothing_to_resolve", message="There is nothing to resolve.")


class Window(Enum):
    """Whether a cancellation is taken now."""

    NOT_YET = auto()
    OPEN = auto()
    CLOSED = auto()


class PendingCancel:
    """Whether somebody has taken the operation back. The first one to say so has; others wish the same."""

    def __init__(self, too_late: Problem) -> None:
        self._window, self._too_late = Window.OPEN, too_late
        self.received: Cancel | None = None

    # --- What handlers do -----------------------------------------------------------------------------

    async def take(self, cancel: Cancel) -> None:
        """Waits until it may be taken. Raises ApplicationError once it can't be any more."""
        await workflow.wait_condition(lambda: self._window is not Window.NOT_YET)
        self.check()
        self.received = self.received or cancel

    def check(self) -> None:
        """For validators. Raises ApplicationError for what comes too late."""
        if self._window is Window.CLOSED:
            raise refused(self._too_late)

    # --- What the workflow does -----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._window is Window.OPEN

    def open(self) -> None:
        self._window = Window.OPEN

    def pause(self) -> None:
        """Not now, but perhaps later."""
        self._window = Window.NOT_YET

    def forget(self) -> None:
        """What was sent is over; the next one is not taken yet."""
        self.pause()
        self.received = None

    def close(self) -> None:
        """Never again; handlers that still wait answer so."""
        self._window = Window.CLOSED


class PendingReply(Generic[Given]):
    """What somebody says to what the operation asks: to the question that it was given for, and once.

    Of two people who answer the same question the first is heard. The answer to a question that is over is
    refused, whatever is asked by then; that to one which this run has not come to yet waits until it has.
    """

    def __init__(self, refusal: Problem, form: type[Given]) -> None:
        """`refusal` is what an answer of this `form` is told that does not count."""
        self._refusal, self._form = refusal, form
        self._earlier: dict[int, Given] = {}
        self._asked = 0
        self._open = self._closed = False
        self.received: Given | None = None

    async def take(self, answer: Given) -> None:
        """For handlers. Waits until it may be taken. Raises ApplicationError once it can't be any more."""
        await workflow.wait_condition(lambda: self._closed or self._asked >= answer.question)
        if not self._open or self._asked != answer.question or self.received is not None:
            raise refused(self._refusal)
        self.received = answer

    def take_up(self, answers: Iterable[TakenCommand]) -> None:
        """What was answered in an earlier run: it holds where this one comes to ask the same."""
        found = (self._form.model_validate(answer.payload) for answer in answers)
        self._earlier = {answer.question: answer for answer in found}

    def is_answered(self, question: int) -> bool:
        """Whether an earlier run was given the answer."""
        return question in self._earlier

    def ask(self, question: int) -> None:
        """Takes an answer to this question from now on. Questions are numbered in their order."""
        self._asked, self._open = question, True
        self.received = self.received or self._earlier.get(question)

    def close(self) -> None:
        """Never again; handlers that still wait answer so."""
        self._open, self._closed = False, True

    def pop(self) -> Given | None:
        """What was answered, if anybody has; from here on nobody can."""
        self._open = False
        received, self.received = self.received, None
        return received

    async def answer_to(self, question: int, what: str) -> Given:
        """Asks, and waits for the answer, however long it takes: `what` says for which."""
        self.ask(question)
        await wait(what, lambda: self.received is not None)
        received = self.pop()
        assert received is not None
        return received


class PendingCommands(Generic[Revision, Resolution]):
    """The commands of one operation. It can be cancelled from the beginning."""

    def __init__(self, *, too_late: str, revise: type[Revision], resolve: type[Resolution]) -> None:
        """`too_late` is what a late cancellation is told; the others are how answers are sent."""
        self.decided: set[str] = set()
        """The approvals that are said to be decided: what was decided, the records say."""
        self.cancel = PendingCancel(Problem(code="too_late", message=too_late))
        self.revise: PendingReply[Revision] = PendingReply(NOT_REVISABLE, revise)
        self.resolve: PendingReply[Resolution] = PendingReply(NOTHING_TO_RESOLVE, resolve)

    def take_up(self, taken: Sequence[TakenCommand]) -> None:
        """What an earlier run was sent and may not have come to act on. A cancellation that somebody has said
        something after had not ended it, and is over."""
        if taken and taken[-1].name == "cancel":
            self.cancel.received = Cancel.model_validate(taken[-1].payload)
        for reply, name in ((self.revise, "revise"), (self.resolve, "resolve")):
            reply.take_up(one for one in taken if one.name == name)

    async def take_back(self, cancel: Cancel) -> None:
        """For the handler of cancellations: what is taken back can't be revised any more."""
        await self.cancel.take(cancel)
        self.revise.close()

    def close(self) -> None:
        """Nobody can send anything any more."""
        for command in (self.cancel, self.revise, self.resolve):
            command.close()
