"""A cancellation under review: every one is approved, and still true but for the time that has passed."""

from dataclasses import replace

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.cancellations.cancellation import (
        CancellationInput,
        CancellationSubject,
        CancellationWanted,
        ReviseCancellation,
        beyond_revision,
        cancellation_hash,
        ended_problem,
        still_as_approved,
    )
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Kind, Problem, State
    from billing.policy.policy import CancellationPolicy
    from billing.quotes.quote import outdated_problem

from ..approvals.review import Proposal, ReviewedRequest, ReviewTerms, Round
from ..core.notes import NoteSync
from ..core.outcome import OperationEnded, Outcome
from ..core.recorder import OperationRecorder
from .reads import CancellationPlanner

EVENTS = {
    "requested": EventCode.CHECKED,
    "drifted": EventCode.CHANGED_SINCE_APPROVAL,
    "revised": EventCode.REQUEST_REVISED,
    "superseded": EventCode.CHECKED_AGAIN,
}
"""What the timeline says of a check, by why it was made."""


class ReviewedCancellation(ReviewedRequest[Proposal[CancellationSubject]]):
    kind = Kind.CANCELLATION
    step = "checked"

    def __init__(
        self,
        request: CancellationInput,
        recorder: OperationRecorder,
        planner: CancellationPlanner,
        glances: CancellationPlanner,
        notes: NoteSync,
    ) -> None:
        """`glances` reads what nobody waits for."""
        self._wanted, self._quoted = request.wanted, request.quoted
        self._recorder, self._planner, self._glances = recorder, planner, glances
        self._notes = notes

    async def propose(self) -> Proposal[CancellationSubject]:
        """What Stripe says now; what is impossible, or not as quoted any more, ends here, before anybody is
        asked."""
        quoted, self._quoted = self._quoted, None
        subject = await self._possible(self._wanted)
        if quoted is not None and not still_as_approved(quoted, subject):
            raise _ended(outdated_problem(self.kind, quoted, subject))
        return proposal_of(subject, self._wanted)

    async def submit(self, proposal: Proposal[CancellationSubject], round_: Round) -> ReviewTerms:
        step = self._recorder.step(
            f"{self.step}:{round_.number}",
            EVENTS[round_.cause],
            state=State.RUNNING,
            stage="checked",
            subject=proposal.subject,
            allowed_actions=("cancel",),
            detail={"amount": proposal.subject.amount.model_dump(), "subject_hash": proposal.subject_hash},
            notice=self._recorder.notice(NoticeKind.CANCELLATION_REQUESTED, proposal.subject, round_.number),
        )
        return replace(terms_of(self._recorder.policy.cancellations, proposal.subject), step=step)

    async def still_holds(self, proposal: Proposal[CancellationSubject]) -> bool:
        """Whether it can be done now as approved. Raises OperationEnded where it can't be at all."""
        return still_as_approved(proposal.subject, await self._possible(self._wanted))

    async def ended(self) -> Outcome | None:
        problem = ended_problem(await self._glances.facts(), self._wanted)
        if problem is None:
            return None
        return Outcome(State.BLOCKED, EventCode.NOT_POSSIBLE_ANY_MORE, problem)

    def revise(self, revision: ReviseCancellation) -> None:
        self._wanted = revision.wanted
        self._notes.learn(revision.note)

    async def _possible(self, wanted: CancellationWanted) -> CancellationSubject:
        subject = await self._planner.plan(wanted)
        if isinstance(subject, Problem):
            raise _ended(subject)
        return subject


def proposal_of(subject: CancellationSubject, wanted: CancellationWanted) -> Proposal[CancellationSubject]:
    """With an amount, whoever approves needs an authority that covers it; without, they need none."""
    amount = subject.amount if subject.amount.amount_minor else None
    return Proposal(subject, cancellation_hash(subject), wanted.note, amount=amount)


def terms_of(rules: CancellationPolicy, subject: CancellationSubject) -> ReviewTerms:
    """How people are asked."""
    return ReviewTerms(rules.rule_for(subject.reason, subject.amount).ladder, rules.calendar)


def _ended(problem: Problem) -> OperationEnded:
    settled = beyond_revision(problem)
    return OperationEnded(Outcome(State.BLOCKED, EventCode.NOT_POSSIBLE, problem, settled=settled))
