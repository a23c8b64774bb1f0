"""Messages of a review: the round and its ladder, what people decide, how the round ended."""

from typing import Any, Literal

from pydantic import AwareDatetime

from ..core.business_time import Calendar
from ..core.money import Money
from ..core.operations import Kind, Message, Role
from ..operations.payloads import OperationSubject
from ..policy.policy import AuthorityLimit, LadderStep, Policy
from .ladder import Rung
from .subject_changes import SinceLastRound

LOOKED_AT_ANEW = "The request was looked at anew."
"""Why a round is superseded that an earlier run of its operation has opened."""


class Decide(Message):
    """What an approver says to a round, and to which subject of it."""

    person: str
    verdict: Literal["approve", "reject", "request_changes"]
    subject_hash: str
    comment: str | None = None
    by_link: bool = False
    """Whether they decided by the link in their mail, without signing in."""


class RevisionSummary(Message):
    """How a subject came out of the round before: who asked for changes, in what words, who then revised it,
    and what it was."""

    by: str
    asked_by: str | None
    comment: str | None
    former: dict[str, Any]


class ReviewSetup(Message):
    """Whom the review of a request asks, and what the amount is held against, as the policy has it."""

    approval: str
    organization: str
    operation: str
    requested_by: str
    amount: Money | None
    customer: str | None
    """Who gets the money, for the windows by customer."""
    ladder: tuple[LadderStep, ...]
    calendar: Calendar
    calendars: dict[str, Calendar]
    """Those of the rungs that have their own, by name."""
    authority: dict[Role, tuple[AuthorityLimit, ...]] | None
    """What each role may approve; None where no amount is held against an authority."""
    counted: tuple[Kind, ...]
    """The kinds whose amounts count in the windows."""

    @classmethod
    def under(
        cls,
        policy: Policy,
        kind: Kind,
        *,
        ladder: str,
        calendar: str,
        approval: str,
        organization: str,
        operation: str,
        requested_by: str,
        amount: Money | None,
        customer: str | None,
    ) -> "ReviewSetup":
        """By a ladder and a calendar of the policy."""
        steps = policy.ladders[ladder]
        return ReviewSetup(
            approval=approval,
            organization=organization,
            operation=operation,
            requested_by=requested_by,
            amount=amount,
            customer=customer,
            ladder=steps,
            calendar=policy.calendars[calendar],
            calendars={step.calendar: policy.calendars[step.calendar] for step in steps if step.calendar},
            authority=policy.authority.get(kind, {}) if amount is not None else None,
            counted=policy.counted_with(kind) if amount is not None else (),
        )


class ApprovalInput(ReviewSetup):
    """One round of review."""

    kind: str
    round: int
    subject: OperationSubject
    subject_hash: str
    reason: str
    rule: str
    """Why it is asked at all, for those who decide."""
    revised: RevisionSummary | None
    """None where it is as it was asked for."""
    since: SinceLastRound | None
    """What is new in this round; None in the first."""


class PreviewReview(Message):
    """What the review of a request would be like if it were opened at this time."""

    request: ReviewSetup
    at: AwareDatetime


class ApprovalOutcome(Message):
    """How a round ended. Silence is `expired`, a value like the others.

    `superseded`: another round follows, of a run that asks anew.
    """

    state: Literal["approved", "rejected", "changes_requested", "expired", "dismissed", "superseded"]
    person: str | None = None
    role: Role | None = None
    comment: str | None = None
    for_person: str | None = None
    """Whom `person` decided for, as their delegate."""
    revise_by: AwareDatetime | None = None
    """Until when the request waits for the changes that were requested."""
    subject_hash: str | None = None
    """Of what the records have that was decided on."""


class RoundDecision(Message):
    """Somebody has ended a round. Told to its operation's workflow, which reads in the records how."""

    approval: str


class ReadOutcome(Message):
    """Of a round that somebody is said to have ended."""

    approval: str
    at: AwareDatetime


class OpenedApproval(Message):
    """The ladder with its deadlines, computed as each rung opens, and the index of the rung that is open."""

    rungs: tuple[Rung, ...]
    rung: int
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


class CloseApproval(Message):
    """End an approval without a decision, unless one was accepted just before."""

    approval: str
    operation: str
    state: Literal["expired", "dismissed", "superseded"]
    reason: str
    at: AwareDatetime


class CloseOpenRound(Message):
    """Supersede the round that an earlier run of an operation has left open: another one follows."""

    operation: str
    at: AwareDatetime
