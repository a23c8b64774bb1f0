"""Messages of the steps that an operation's workflow records."""

from typing import Any, Self

from pydantic import AwareDatetime, Field, model_validator

from ..core.events import EventCode
from ..core.operations import SYSTEM, Message, Problem, State
from .payloads import OperationResult, OperationSubject


class Progress(Message):
    """One step of an operation: its timeline event and what changes with it, in one transaction.

    None leaves a column as it is. `key` names the step, so that a repeated one changes nothing.
    """

    operation: str
    key: str
    event: EventCode
    at: AwareDatetime
    actor: str = SYSTEM
    detail: dict[str, Any] = Field(default_factory=dict)
    state: State | None = None
    stage: str = ""
    subject: OperationSubject | None = None
    result: OperationResult | None = None
    error: Problem | None = None
    allowed_actions: tuple[str, ...] | None = None
    approval: str | None = None
    stays_open: bool = False
    """Whether the operation waits for a person although its state is one of those that end it; a closed one
    opens again."""
    releases: bool = False
    """Whether the money that was set aside for it is free again; only of an end."""
    keeps: tuple[str, ...] = ()
    """Payments whose part came through after all and stays counted."""

    @property
    def ends(self) -> bool:
        """Whether the operation is over with it."""
        return self.state is not None and self.state.final and not self.stays_open

    @model_validator(mode="after")
    def _leaves_a_door_open(self) -> Self:
        """What waits for a person says what that person may do."""
        waits = self.state is State.MISMATCHED or self.stays_open
        if waits and self.allowed_actions == ():
            raise ValueError(f"{self.key}: nobody could do anything about an operation that waits like this")
        return self
