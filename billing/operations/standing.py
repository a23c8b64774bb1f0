"""Where an operation stands by its records: every run of its workflow takes it up from there."""

from typing import Any, Literal

from pydantic import AwareDatetime

from ..core.events import EventCode
from ..core.operations import SYSTEM, Message, State
from .questions import Question, last_number

OPERATION_CLOSED = "operation_closed"
"""What a run is refused that comes after its operation's end: whoever re-executes it opens nothing again."""

NOTES = ".note"
"""How the kinds of effects end that only mirror a note: they move no money and change no terms."""


class StandingQuery(Message):
    operation: str


class BegunEffect(Message):
    """An effect that an earlier run has begun: it may have happened, whatever became of that run."""

    step: str
    version: int
    effect: str
    state: str


class TakenCommand(Message):
    """What somebody has sent, and an earlier run has taken, whether or not it came to act on it."""

    name: str
    payload: dict[str, Any]


class Standing(Message):
    """What the records know when a run of its workflow begins."""

    state: State
    stage: str
    closed_at: AwareDatetime | None = None
    subject: dict[str, Any] | None = None
    """What was last agreed on, where an effect has begun."""
    result: dict[str, Any] | None = None
    """What was last recorded of what came of it."""
    begun: tuple[BegunEffect, ...] = ()
    """In the order in which they were begun; notes apart."""
    keys: tuple[str, ...] = ()
    """Of the events that are on its timeline."""
    taken: tuple[TakenCommand, ...] = ()
    """In the order in which they were sent."""

    def version(self, step: str) -> int:
        """The latest try at a step; 0 when there was none."""
        return max((one.version for one in self.begun if one.step == step), default=0)

    def last(self, prefix: str) -> int:
        """The highest number among the keys `prefix:number`; 0 when there is none."""
        return last_number(prefix, self.keys)

    def asks(self, question: Question) -> bool:
        """Whether the answer is still due: this run asks the same question once more, under its number."""
        return self.stage == question.stage

    def asked_before(self, question: Question) -> int:
        """The number of the last time of asking that is over; 0 when there was none."""
        return self.last(question) - self.asks(question)


class SettleBegun(Message):
    """An effect that an earlier run has begun is brought to its end, as it was begun."""

    operation: str
    step: str
    version: int


class Abandon(Message):
    """An operation's workflow is over, and the operation is not."""

    operation: str
    at: AwareDatetime
    code: str
    event: EventCode
    message: str
    state: State = State.FAILED
    actor: str = SYSTEM
    comment: str | None = None
    by: str | None = None
    """An operator, who is nobody of the organization's."""
    although_begun: bool = False
    """Whether it ends although something was begun in Stripe: a person has looked, and says so."""


class AbandonResult(Message):
    """`begun`: something was sent to Stripe, so it is not ended but has to run again. `closed`: it had ended
    before."""

    outcome: Literal["ended", "begun", "closed"]


class RecordedEnd(Message):
    """How an operation has ended, and whether it was by this end."""

    state: State
    ours: bool
