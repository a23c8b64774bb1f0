"""A plan change under review: previewed to the second, within the plan's limits, still true as approved."""

from dataclasses import replace
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Kind, State
    from billing.plan_changes.messages import Revise
    from billing.plan_changes.report import blocked_problem, preview_detail
    from billing.plan_changes.subject import (
        PlanChangeInput,
        PlanChangeSubject,
        SubscriptionFacts,
        subject_hash,
    )
    from billing.policy.policy import PlanChangePolicy
    from billing.quotes.quote import outdated_problem

from ..approvals.review import Proposal, ReviewedRequest, ReviewTerms, Round
from ..core.outcome import OperationEnded, Outcome
from ..core.recorder import OperationRecorder
from .reads import PlanChangeReads

EVENTS = {
    "requested": EventCode.PREVIEWED,
    "drifted": EventCode.LINES_DRIFTED,
    "revised": EventCode.REQUEST_REVISED,
    "superseded": EventCode.PREVIEWED_AGAIN,
}
"""What the timeline says of a preview, by why it was taken."""


class ReviewedPlanChange(ReviewedRequest[Proposal[PlanChangeSubject]]):
    kind = Kind.PLAN_CHANGE
    step = "preview"

    def __init__(
        self,
        request: PlanChangeInput,
        recorder: OperationRecorder,
        reads: PlanChangeReads,
        glances: PlanChangeReads,
    ) -> None:
        """`glances` are reads that nobody waits for."""
        self._wanted, self._quoted = request.wanted, request.quoted
        self.checked: SubscriptionFacts | None = None
        """The subscription as it was when what is approved was found to hold still."""
        self._recorder, self._reads, self._glances = recorder, reads, glances

    async def propose(self) -> Proposal[PlanChangeSubject]:
        """A new preview, at a second that Stripe chooses; the first one after a quote, at the quote's.

        What is not as quoted any more ends here, before anybody is asked.
        """
        quoted, self._quoted = self._quoted, None
        previewed = await self._reads.preview(self._wanted, quoted)
        if previewed is None:
            previewed = await self._reads.preview(self._wanted)
        assert previewed is not None, "it is held to no period"
        subject = previewed.subject
        if quoted is not None and subject_hash(subject) != subject_hash(quoted):
            problem = outdated_problem(self.kind, quoted, subject)
            raise OperationEnded(Outcome(State.BLOCKED, EventCode.NOT_POSSIBLE, problem))
        return Proposal(subject, subject_hash(subject), self._wanted.reason)

    async def submit(self, proposal: Proposal[PlanChangeSubject], round_: Round) -> ReviewTerms:
        """Every plan change is reviewed, unless it is blocked by the plan's limits."""
        blocked = not proposal.subject.within_limits
        given: dict[str, Any] = {
            "state": State.RUNNING,
            "stage": "previewed",
            "subject": proposal.subject,
            "allowed_actions": ("cancel",),
            "detail": preview_detail(proposal.subject),
        }
        key, event = f"{self.step}:{round_.number}", EVENTS[round_.cause]
        if blocked:
            await self._recorder.record_progress(key, event, **given)
            _stop_if_blocked(proposal.subject)
        # Of new figures Finance gets a new notice, which takes the place of the one before.
        notice = self._recorder.notice(NoticeKind.PLAN_CHANGE_REQUESTED, proposal.subject, round_.number)
        step = self._recorder.step(key, event, **given, notice=notice)
        return replace(terms_of(self._recorder.policy.plan_change), step=step)

    async def still_holds(self, proposal: Proposal[PlanChangeSubject]) -> bool:
        """Whether the same second still gives the same lines. Raises OperationEnded where the plan's limits
        are exceeded by now."""
        current = await self._reads.preview(self._wanted, proposal.subject)
        if current is None or subject_hash(current.subject) != proposal.subject_hash:
            return False
        _stop_if_blocked(current.subject)
        self.checked = current.facts
        return True

    async def ended(self) -> Outcome | None:
        problem = await self._glances.over()
        if problem is None:
            return None
        return Outcome(State.FAILED, EventCode.SUBSCRIPTION_CANCELLED, problem)

    def revise(self, revision: Revise) -> None:
        self._wanted = revision.wanted


def _stop_if_blocked(subject: PlanChangeSubject) -> None:
    if not subject.within_limits:
        raise OperationEnded(Outcome(State.BLOCKED, EventCode.BLOCKED_BY_LIMITS, blocked_problem(subject)))


def terms_of(rules: PlanChangePolicy) -> ReviewTerms:
    """How people are asked, whatever the change."""
    return ReviewTerms(rules.ladder, rules.calendar)
