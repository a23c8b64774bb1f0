"""What passes between the API, the workflows and their activities, beside what a story has of its own."""

from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from .approvals.ladder import Rung
from .approvals.subject_changes import SinceLastRound
from .core.business_time import Calendar
from .core.money import Money
from .core.operations import SYSTEM, Kind, Message, Problem, Role, State
from .money.invoice_money import InvoiceCap
from .money.notes import Note
from .plan_changes.subject import Wanted
from .policy.policy import AuthorityLimit, LadderStep

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
    action: Literal["accept", "revert", "read_again"]
    comment: str


class Acknowledge(Message):
    """Finance has seen a notice."""

    person: str


# --- The review ---------------------------------------------------------------------------------------


class Revised(Message):
    """How a subject came out of the round before: who asked for changes, in what words, who then revised it,
    and what it was."""

    by: str
    asked_by: str | None
    comment: str | None
    former: dict[str, Any]


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
    calendars: dict[str, Calendar] = Field(default_factory=dict)
    """Those of the rungs that have their own, by name."""
    authority: dict[Role, tuple[AuthorityLimit, ...]] | None = None
    """What each role may approve; None where no amount is held against an authority."""
    customer: str | None = None
    """Who gets the money, for the windows by customer."""
    counted: tuple[Kind, ...] = ()
    """The kinds whose amounts count in the windows."""
    rule: str = ""
    """Why it is asked at all, for those who decide."""
    revised: Revised | None = None
    """None where it is as it was asked for."""
    since: SinceLastRound | None = None
    """What is new in this round; None in the first."""


class OpenApproval(Message):
    request: ApprovalInput
    workflow: str
    at: AwareDatetime


class Audience(Message):
    """Whom a rung waits for: everybody with one of the roles and `people`, who act for such, but for some."""

    roles: tuple[Role, ...]
    people: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()


class ApprovalOutcome(Message):
    """How a round ended. Silence is `expired`, a value like the others.

    `superseded`: a story that was reset asks about another subject than the round was opened for.
    """

    state: Literal["approved", "rejected", "changes_requested", "expired", "dismissed", "superseded"]
    person: str | None = None
    role: Role | None = None
    comment: str | None = None
    for_person: str | None = None
    """Whom `person` decided for, as their delegate."""


class OpenedApproval(Message):
    """The ladder with its deadlines, computed as each rung opens, and the index of the rung that is open.

    `why` says why it is this one, where those below it are vacant.
    """

    rungs: tuple[Rung, ...]
    rung: int = 0
    audience: Audience | None = None
    """None in histories from before it was told: everybody with one of the rung's roles."""
    why: str | None = None
    outcome: ApprovalOutcome | None = None
    """How it has ended, where it was opened before and is closed."""


class ClimbApproval(Message):
    """The approval goes on to rung `rung`, because the one below did not answer in time."""

    approval: str
    operation: str
    rung: int
    at: AwareDatetime
    request: ApprovalInput


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


class Settled(Message):
    """The outcome that a decision brought about, or why it was refused; neither for a yes that leaves the
    approval open, because others are still to give theirs."""

    outcome: ApprovalOutcome | None = None
    refusal: Problem | None = None


# --- Authority ----------------------------------------------------------------------------------------


class CommitPart(Message):
    """What is to be given, in minor units; of which payment, where it is of one."""

    payment_intent: str | None = None
    invoice: str | None = None
    """The invoice of whose payment it is given back; None for what is not, such as taking off what is due."""
    amount: int
    left: int | None = None
    """What Stripe said is left of the payment; None where nothing limits it."""
    in_stripe: tuple[str, ...] = ()
    """Operations whose refunds are already taken off `left`."""


class Commit(Message):
    """Set money aside for an operation, and see whether the person who shaped it last may give it alone.

    Counted under the organization's lock, so that of two requests at the same moment the second sees the
    first. `authority` is what each role may decide; the roles are the person's at this time.
    """

    organization: str
    operation: str
    kind: Kind
    person: str
    revised: bool = False
    """Whether the person revised what somebody else had asked for."""
    customer: str | None
    currency: str
    parts: tuple[CommitPart, ...]
    cap: InvoiceCap | None = None
    """Of the invoice that parts are given back of."""
    authority: dict[Role, tuple[AuthorityLimit, ...]]
    counted: tuple[Kind, ...]
    reviewed_anyway: bool = False
    """Whether it is reviewed whatever the person's authority."""
    round: int
    at: AwareDatetime


class Committed(Message):
    """`alone`: within the person's authority, and counted in it; otherwise `why` it needs an approval.

    A `problem` means that nothing was set aside: other operations hold what is left of a payment.
    """

    alone: bool
    why: str = ""
    problem: Problem | None = None


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
    """`closed`: nobody has to see it any more, as it was opened before or its operation came to nothing
    meanwhile. `replaces`: Finance has an earlier one which it need not acknowledge any more."""

    deadline: AwareDatetime
    closed: bool = False
    replaces: bool = False


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


class UsageQuery(Message):
    organization: str
    currency: str


class MailRequest(Message):
    """One mail to everybody with one of the roles, or to some people. `key` is part of its Message-ID.

    Who gets it by a role, or as somebody who is asked, hears how what it is `about` ended.
    """

    organization: str
    operation: str
    key: str
    template: str
    roles: tuple[Role, ...] = ()
    person: str | None = None
    people: tuple[str, ...] = ()
    """Others who get it too, such as those who act for somebody."""
    excluding: tuple[str, ...] = ()
    """Who does not get it all the same, such as whoever asked for what others decide."""
    about: str | None = None
    """The approval or notice that it asks them for: once that is closed it is not sent any more. None: it
    tells of the operation itself."""
    context: dict[str, Any] = Field(default_factory=dict)


class MailsSent(Message):
    """How a mail to several people went; those who had it from an earlier attempt are `skipped`."""

    sent: int
    skipped: int
    refused: tuple[str, ...] = ()
    """Ids of the people whose mail the server will never take."""


# --- Notes --------------------------------------------------------------------------------------------


class NoteInput(Message):
    """A note that was added to an operation, to be mirrored into Stripe."""

    organization: str
    operation: str
    note: Note


class AddNote(Message):
    """A person's words on what they did become a note of the operation."""

    operation: str
    text: str
    author: str
    at: AwareDatetime


class NotesQuery(Message):
    """Whose notes, or whose objects in Stripe that bear them."""

    operation: str


class NoteObject(Message):
    """What an operation made in Stripe, as the effect that writes a note on it names it."""

    kind: Literal["refund.note", "credit_note.note", "balance.note", "subscription.note"]
    target: str
    customer: str | None = None
    """Whose balance it is of, for a balance transaction."""
    payments: tuple[str, ...] = ()
    """The payments that its notes must name."""
