"""The review of a request: proposed, approved by people and still true, or proposed once more.

What is reviewed says what it would do (`ReviewedRequest`); how it is reviewed is the same for all of them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.approvals.messages import ApprovalInput, ApprovalOutcome, ReviewSetup, RevisionSummary
    from billing.approvals.subject_changes import SinceLastRound, subject_changes
    from billing.cancellations.cancellation import CancellationSubject
    from billing.core.events import EventCode
    from billing.core.money import Money
    from billing.core.operations import Kind, State
    from billing.mail.messages import MailContext
    from billing.mail.steps import Step
    from billing.money.credit import CreditSubject
    from billing.money.refund import RefundSubject
    from billing.money.waiver import WaiverSubject
    from billing.operations.questions import Question
    from billing.operations.standing import Standing
    from billing.plan_changes.subject import PlanChangeSubject
    from billing.policy.policy import Policy

from ..core import ids
from ..core.commands import PendingCommands
from ..core.outcome import OperationEnded, Outcome
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from ..core.waiting import by
from .object_end import ObjectEnd
from .round import ReviewRound, close_open_round

Subject = TypeVar(
    "Subject",
    bound=PlanChangeSubject | CancellationSubject | RefundSubject | CreditSubject | WaiverSubject,
)
Proposed = TypeVar("Proposed", bound="Proposal[Any]")


@dataclass(frozen=True)
class Proposal(Generic[Subject]):
    """What would be done, and why; with an `amount`, whoever approves needs an authority that covers it."""

    subject: Subject
    subject_hash: str
    reason: str
    amount: Money | None = None
    customer: str | None = None


@dataclass(frozen=True)
class Round:
    """A proposal's place in the review: its number, why there is another one, and what is new in it."""

    number: int
    cause: Literal["requested", "drifted", "revised", "superseded"] = "requested"
    revised: RevisionSummary | None = None
    """How the request came out of an earlier round; None as long as nobody has revised it."""
    since: SinceLastRound | None = None


@dataclass(frozen=True)
class ReviewTerms:
    """Which ladder and calendar of the policy ask the approvers, and the `rule` by which they are asked."""

    ladder: str
    calendar: str
    rule: str = ""
    step: Step | None = None
    """By which the proposal is recorded as they are asked; None where it was before."""


class RequestOrigin(Protocol):
    """Of which operation a request is, who asked for it, and under which policy."""

    @property
    def organization(self) -> str: ...

    @property
    def operation(self) -> str: ...

    @property
    def requested_by(self) -> str: ...

    @property
    def policy(self) -> Policy: ...


class RevisedRequest(Protocol):
    """The command by which somebody revises a request."""

    @property
    def person(self) -> str: ...


class ReviewedRequest(ABC, Generic[Proposed]):
    """A request as its review sees it."""

    kind: Kind
    step: str
    """How the keys of the events begin by which it is recorded, one a round."""

    @abstractmethod
    async def propose(self) -> Proposed:
        """What would be done, by what Stripe says now. Raises OperationEnded where it can't be done."""

    @abstractmethod
    async def submit(self, proposal: Proposed, round_: Round) -> ReviewTerms | None:
        """Writes the proposal into the records, or says by which step, and how people are asked; None where
        nobody has to be. Raises OperationEnded where nobody may be."""

    @abstractmethod
    async def still_holds(self, proposal: Proposed) -> bool:
        """Whether exactly what was approved can be done now: time has passed since it was proposed."""

    @abstractmethod
    async def ended(self) -> Outcome | None:
        """How the operation ends because nothing can come of the request any more; None while something can.

        Nobody waits for it: in Stripe's bad hours it raises at once.
        """

    @abstractmethod
    def revise(self, revision: Any) -> None:
        """Takes over a revised request, which `propose` then is about."""


class Review(Generic[Proposed]):
    """The part of an operation before anything is done to Stripe."""

    def __init__(
        self,
        recorder: OperationRecorder,
        commands: PendingCommands[Any, Any],
        changes: StripeChanges,
        request: ReviewedRequest[Proposed],
    ) -> None:
        self._recorder, self._commands, self._changes = recorder, commands, changes
        self._request = request
        self._end = ObjectEnd(changes, request.ended)
        self._proposal: Proposed | None = None

    async def agree(self, standing: Standing) -> Proposed:
        """What may be done now: proposed, and approved where it has to be, until that is still true.

        Rounds of an earlier run are superseded, but for one that was rejected. Raises OperationEnded when it
        is blocked, rejected, cancelled or left without an answer.
        """
        round_ = Round(max(standing.last(self._request.step), standing.last(Question.REVISION)))
        if round_.number:
            rejected = await close_open_round(self._recorder.operation)
            if rejected is not None:
                raise _rejected(rejected)
            round_ = replace(round_, cause="superseded")
        sent_back: tuple[Proposed, ApprovalOutcome] | None = None
        while True:
            round_ = replace(round_, number=round_.number + 1)
            try:
                proposal, round_ = await self._propose(round_)
                terms = await self._request.submit(proposal, round_)
            except OperationEnded as ended:
                if sent_back is None or not _can_be_revised(round_, ended.outcome):
                    raise
                self._proposal = sent_back[0]
                round_ = await self._revised(*sent_back, round_, ended.outcome)
                continue
            self._stop_if_cancelled()
            if terms is None:
                return self._agreed(proposal)
            outcome = await self._reviewed(proposal, terms, round_)
            match outcome.state:
                case "approved":
                    if await self._request.still_holds(proposal):
                        self._stop_if_cancelled()
                        return self._agreed(proposal)
                    round_ = replace(round_, cause="drifted", since=SinceLastRound(why="drifted", changes=()))
                case "changes_requested":
                    sent_back = proposal, outcome
                    round_ = await self._revised(*sent_back, round_)
                case "superseded":
                    round_ = replace(round_, cause="superseded")
                case "rejected":
                    raise _rejected(outcome)
                case "expired":
                    raise OperationEnded(Outcome(State.EXPIRED, EventCode.EXPIRED_UNANSWERED))
                case "dismissed":
                    raise self._cancelled()

    async def _propose(self, round_: Round) -> tuple[Proposed, Round]:
        """What Stripe says now, as this round; what is new in it is known from here on."""
        self._stop_if_cancelled()
        self._changes.clear()
        before, proposal = self._proposal, await self._request.propose()
        self._proposal = proposal
        since = round_.since
        if before is not None and since is not None and round_.cause != "superseded":
            changes = subject_changes(
                self._request.kind,
                before.subject.document(),
                proposal.subject.document(),
                (before.reason, proposal.reason),
            )
            since = since.model_copy(update={"changes": changes})
        return proposal, replace(round_, since=since)

    def _agreed(self, proposal: Proposed) -> Proposed:
        """From here on it is carried out; a cancellation waits for whether that can still be taken back."""
        self._commands.cancel.pause()
        return proposal

    async def _reviewed(self, proposal: Proposed, terms: ReviewTerms, round_: Round) -> ApprovalOutcome:
        """What the approvers make of exactly this proposal; a cancellation on the way dismisses it."""
        request = approval_input(self._recorder, self._request.kind, proposal, terms, round_)
        return await ReviewRound(self._commands, self._end, request, terms.step).outcome()

    async def _revised(
        self, proposal: Proposed, outcome: ApprovalOutcome, round_: Round, impossible: Outcome | None = None
    ) -> Round:
        """An approver asked for changes: somebody sends a revised request, or takes it back; and once more
        where what was sent is `impossible`."""
        key, problem = Question.REVISION.key(round_.number), impossible.why if impossible else None
        until = outcome.revise_by
        assert until is not None, "it comes with the changes that were requested"
        context = MailContext(
            subject=proposal.subject, comment=outcome.comment, person=outcome.person, problem=problem
        )
        await self._recorder.record_progress(
            key,
            impossible.event if impossible else EventCode.AWAITING_REVISION,
            state=State.AWAITING_APPROVAL,
            stage=Question.REVISION.stage,
            error=problem,
            allowed_actions=("revise", "cancel"),
            detail=(problem.model_dump() if problem else {}) | {"revise_by": until.isoformat()},
            mails=(self._recorder.to_requester(key, "changes_requested", context),),
        )
        revision = await self._revision(round_.number, until)
        self._stop_if_cancelled()
        if revision is None:
            raise OperationEnded(Outcome(State.EXPIRED, EventCode.EXPIRED_UNREVISED))
        self._request.revise(revision)
        summary = RevisionSummary(
            by=revision.person,
            asked_by=outcome.person,
            comment=outcome.comment,
            former=proposal.subject.document(),
        )
        since = SinceLastRound(
            why="revised",
            changes=(),
            asked_by=outcome.person,
            comment=outcome.comment,
            revised_by=revision.person,
        )
        return Round(round_.number, "revised", summary, since)

    async def _revision(self, round_: int, until: datetime) -> RevisedRequest | None:
        """The revised request after a round, or None when it was cancelled or nobody sent one by then.

        Raises OperationEnded with what the request is about.
        """
        revise, cancel = self._commands.revise, self._commands.cancel
        revise.ask(round_)
        ended = await self._end.before(
            f"Waits for a revised request until {by(until)}.",
            lambda: revise.received is not None or cancel.received is not None,
            until - workflow.now(),
        )
        revision: RevisedRequest | None = revise.pop()
        if ended is not None:
            raise OperationEnded(ended)
        return revision

    def _stop_if_cancelled(self) -> None:
        if self._commands.cancel.received is not None:
            raise self._cancelled()

    def _cancelled(self) -> OperationEnded:
        return OperationEnded(Outcome.cancelled(self._commands.cancel.received))


def review_setup(
    asked: RequestOrigin, kind: Kind, proposal: Proposal[Any], terms: ReviewTerms, round_: Round
) -> ReviewSetup:
    """Whom a round asks, by which ladder."""
    return ReviewSetup.under(
        asked.policy,
        kind,
        ladder=terms.ladder,
        calendar=terms.calendar,
        approval=ids.approval_id(asked.operation, round_.number),
        organization=asked.organization,
        operation=asked.operation,
        requested_by=asked.requested_by,
        amount=proposal.amount,
        customer=proposal.customer,
    )


def approval_input(
    asked: RequestOrigin, kind: Kind, proposal: Proposal[Any], terms: ReviewTerms, round_: Round
) -> ApprovalInput:
    """What the approvers of a round are asked, and by which ladder."""
    return ApprovalInput(
        **dict(review_setup(asked, kind, proposal, terms, round_)),
        kind=kind.value,
        round=round_.number,
        subject=proposal.subject,
        subject_hash=proposal.subject_hash,
        reason=proposal.reason,
        rule=terms.rule,
        revised=round_.revised,
        since=round_.since,
    )


def _rejected(outcome: ApprovalOutcome) -> OperationEnded:
    return OperationEnded(
        Outcome(State.REJECTED, EventCode.REJECTED, person=outcome.person, comment=outcome.comment)
    )


def _can_be_revised(round_: Round, outcome: Outcome) -> bool:
    """Whether it ends only because of what somebody has made of the request: they may think again."""
    return round_.cause == "revised" and outcome.state is State.BLOCKED and not outcome.settled
