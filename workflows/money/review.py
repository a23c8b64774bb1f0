"""A request for money under review: checked, within authority or approved, and still possible."""

from typing import Any, Generic, Protocol, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import Problem, State
    from billing.money.credit import CreditSubject
    from billing.money.notes import Note
    from billing.money.object_end import beyond_revision
    from billing.money.refund import RefundSubject
    from billing.money.waiver import WaiverSubject
    from billing.policy.policy import MoneyPolicy
    from billing.quotes.quote import outdated_problem

from ..approvals.review import ReviewedRequest, ReviewTerms, Round
from ..core.notes import NoteSync
from ..core.outcome import OperationEnded, Outcome
from ..core.recorder import OperationRecorder
from .proposals import MoneyPlanner, MoneyProposal
from .reservation import MoneyReservation

Wanted = TypeVar("Wanted")
WantedNow = TypeVar("WantedNow", covariant=True)
Subject = TypeVar("Subject", bound=RefundSubject | CreditSubject | WaiverSubject)
Quoted = TypeVar("Quoted", covariant=True)

EVENTS = {
    "requested": EventCode.CHECKED,
    "drifted": EventCode.CHANGED_SINCE_APPROVAL,
    "revised": EventCode.REQUEST_REVISED,
    "superseded": EventCode.CHECKED_AGAIN,
}
"""What the timeline says of a check, by why it was made."""


class MoneyInput(Protocol[WantedNow, Quoted]):
    """What is asked for, and what was seen of it before, where exactly that is."""

    @property
    def wanted(self) -> WantedNow: ...

    @property
    def quoted(self) -> Quoted | None: ...


class RevisedMoney(Protocol[WantedNow]):
    """The command by which somebody revises a request for money, with one more note."""

    @property
    def wanted(self) -> WantedNow: ...

    @property
    def note(self) -> Note: ...


class ReviewedMoney(ReviewedRequest[MoneyProposal[Subject]], Generic[Wanted, Subject]):
    step = "checked"

    def __init__(
        self,
        request: MoneyInput[Wanted, Subject],
        recorder: OperationRecorder,
        planner: MoneyPlanner[Wanted, Subject],
        glances: MoneyPlanner[Wanted, Subject],
        reservation: MoneyReservation,
        notes: NoteSync,
    ) -> None:
        """`glances` plans as well, by reads that nobody waits for."""
        self.kind = reservation.kind
        self._wanted, self._quoted = request.wanted, request.quoted
        self._recorder, self._planner, self._glances = recorder, planner, glances
        self._reservation, self._notes = reservation, notes

    async def propose(self) -> MoneyProposal[Subject]:
        """What Stripe says now; what is impossible, or not as quoted any more, ends here, before anybody is
        asked."""
        quoted, self._quoted = self._quoted, None
        proposal = await self._planner.plan(self._wanted)
        if isinstance(proposal, Problem):
            settled = beyond_revision(proposal)
            raise OperationEnded(Outcome(State.BLOCKED, EventCode.NOT_POSSIBLE, proposal, settled=settled))
        if quoted is not None and proposal.subject.bound() != quoted.bound():
            problem = outdated_problem(self.kind, quoted, proposal.subject)
            raise OperationEnded(Outcome(State.BLOCKED, EventCode.NOT_POSSIBLE, problem))
        return proposal

    async def submit(self, proposal: MoneyProposal[Subject], round_: Round) -> ReviewTerms | None:
        """Sets the money aside; None where whoever shaped the request last may give it alone."""
        await self._recorder.record_progress(
            f"{self.step}:{round_.number}",
            EVENTS[round_.cause],
            state=State.RUNNING,
            stage="checked",
            subject=proposal.subject,
            allowed_actions=("cancel",),
            detail={"amount": proposal.amount.model_dump(), "subject_hash": proposal.subject_hash},
        )
        committed = await self._reservation.commit(proposal, round_)
        if committed.problem is not None:
            raise OperationEnded(Outcome(State.BLOCKED, EventCode.NOT_POSSIBLE, committed.problem))
        if committed.alone:
            return None
        return terms_of(self._reservation.rules, proposal, committed.why)

    async def still_holds(self, proposal: MoneyProposal[Subject]) -> bool:
        """In Stripe, where money may have been given back meanwhile, and beside what others set aside."""
        now = await self._planner.still_possible(self._wanted, proposal.subject)
        return now is not None and await self._reservation.has_room(now)

    async def ended(self) -> Outcome | None:
        now = await self._glances.plan(self._wanted)
        if not isinstance(now, Problem) or not beyond_revision(now):
            return None
        return Outcome(State.BLOCKED, EventCode.NOT_POSSIBLE_ANY_MORE, now)

    def revise(self, revision: RevisedMoney[Wanted]) -> None:
        self._wanted = revision.wanted
        self._notes.learn(revision.note)


def terms_of(rules: MoneyPolicy, proposal: MoneyProposal[Any], why: str) -> ReviewTerms:
    """How people are asked for what is beyond an authority, which `why` says."""
    ladder = rules.rule_for(proposal.reason, proposal.amount).ladder
    return ReviewTerms(ladder, rules.calendar, why)
