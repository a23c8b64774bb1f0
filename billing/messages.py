"""What passes between the API, the workflows and their activities, beside what a story has of its own."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from .approval import Rung
from .business_time import Calendar
from .money import Money
from .operations import SYSTEM, Message, Problem, Role, State
from .plan_change import Wanted
from .policy import LadderStep

# --- What people decide -------------------------------------------------------------------------------


class Decide(Message):
    """An approver's decision; `decision` names its row, which was written first."""

    decision: str
    person: str
    verdict: Literal["approve", "reject", "request_changes"]
    subject_hash: str
    comment: str | None = None


class Cancel(Message):
    """The requester, or another billing admin, takes an operation back."""

    person: str
    comment: str | None = None


class Revise(Message):
    """The edited request after an approver asked for changes; it starts a new review round."""

    person: str
    wanted: Wanted


class Resolve(Message):
    """What a person makes of a mismatch between approved and actual lines."""

    person: str
    action: Literal["accept", "revert"]
    comment: str


class Acknowledge(Message):
    """Finance has seen a notice."""

    person: str


# --- The review ---------------------------------------------------------------------------------------


class ApprovalInput(Message):
    """One round of review."""

    approval: str
    organization: str
    operation: str
    kind: str
    round: int
    subject: dict[str, Any]
    subject_hash: str
    reason: str
    amount: Money | None
    requested_by: str
    ladder: tuple[LadderStep, ...]
    calendar: Calendar


class OpenApproval(Message):
    request: ApprovalInput
    workflow: str
    at: AwareDatetime


class OpenedApproval(Message):
    """The ladder with its deadlines, computed once."""

    rungs: tuple[Rung, ...]


class ClimbApproval(Message):
    """The approval is now on rung `rung`, because the one below did not answer in time."""

    approval: str
    operation: str
    rung: int
    at: AwareDatetime


class RemindApproval(Message):
    approval: str
    operation: str
    rung: int
    number: int
    at: AwareDatetime


class SettleDecision(Message):
    """Accept a decision, if the person may still decide; the row's lock lets the first one win."""

    approval: str
    operation: str
    decide: Decide
    at: AwareDatetime


class CloseApproval(Message):
    """End an approval without a decision, unless one was accepted just before."""

    approval: str
    operation: str
    state: Literal["expired", "dismissed"]
    reason: str
    at: AwareDatetime


class ApprovalOutcome(Message):
    """How a round ended. Silence is `expired`, a value like the others."""

    state: Literal["approved", "rejected", "changes_requested", "expired", "dismissed"]
    person: str | None = None
    role: Role | None = None
    comment: str | None = None


class Settled(Message):
    """Either the outcome that a decision brought about, or why it was refused."""

    outcome: ApprovalOutcome | None = None
    refusal: Problem | None = None


# --- Finance ------------------------------------------------------------------------------------------


class NoticeInput(Message):
    """A message that Finance must acknowledge."""

    notice: str
    organization: str
    operation: str
    kind: str
    subject: dict[str, Any]
    calendar: Calendar
    acknowledge_within: int
    """Business minutes."""


class OpenNotice(Message):
    request: NoticeInput
    workflow: str
    at: AwareDatetime


class OpenedNotice(Message):
    deadline: AwareDatetime


class NoticeStep(Message):
    """A notice was escalated, or acknowledged by `person`."""

    notice: str
    operation: str
    at: AwareDatetime
    person: str | None = None


# --- Records and mail ---------------------------------------------------------------------------------


class Progress(Message):
    """One step of an operation: its timeline event and what changes with it, in one transaction.

    None leaves a column as it is. `key` names the step, so that a repeated one changes nothing.
    """

    operation: str
    key: str
    event: str
    at: AwareDatetime
    actor: str = SYSTEM
    detail: dict[str, Any] = Field(default_factory=dict)
    state: State | None = None
    stage: str = ""
    subject: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error: Problem | None = None
    allowed_actions: tuple[str, ...] | None = None
    approval: str | None = None


class UsageQuery(Message):
    organization: str
    currency: str


class MailRequest(Message):
    """One mail to everybody with one of the roles, or to one person. `key` is part of its Message-ID."""

    organization: str
    operation: str
    key: str
    template: str
    roles: tuple[Role, ...] = ()
    person: str | None = None
    context: dict[str, Any] = Field(default_factory=dict)


class MailsSent(Message):
    """How a mail to several people went; those who had it from an earlier attempt are `skipped`."""

    sent: int
    skipped: int
    refused: tuple[str, ...] = ()
    """Ids of the people whose mail the server will never take."""
