"""The shape of a workflow: what it asks of Temporal and what it waits for."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["activity", "local", "timer", "child"]


class Command(BaseModel):
    """One thing asked of Temporal. `name` is the activity's or the child workflow's type."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    name: str = ""
    stripe: bool = False
    """On the queue of calls to Stripe."""
    child: "Shape | None" = None


class Moment(BaseModel):
    """Commands of one workflow task, once everything in `after` has happened.

    `a3`: activity 3 is done, `s3`: child 3 has started, `c3`: it is done, `u`: a person has decided; the
    number is the command's, counted over the workflow. `timers` are cancelled then.
    """

    model_config = ConfigDict(frozen=True)

    after: tuple[str, ...]
    commands: tuple[Command, ...] = ()
    timers: tuple[int, ...] = ()


class Shape(BaseModel):
    """Everything that one workflow does, moment by moment; `ends` unless it outlives its parent."""

    model_config = ConfigDict(frozen=True)

    workflow: str
    moments: tuple[Moment, ...]
    ends: bool

    def counts(self) -> Counter[str]:
        """How many of each thing, children's included."""
        found: Counter[str] = Counter({"workflows": 1, "updates": self.decisions})
        for command in (command for moment in self.moments for command in moment.commands):
            match command.kind:
                case "activity":
                    found["Stripe activities" if command.stripe else "other activities"] += 1
                case "local":
                    found["local activities"] += 1
                case "timer":
                    found["timers"] += 1
                case "child":
                    assert command.child is not None
                    found += command.child.counts()
        return found

    @property
    def decisions(self) -> int:
        return sum("u" in moment.after for moment in self.moments)
