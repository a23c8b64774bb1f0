"""How a plan change comes to lines that are approved and still true: preview, review, re-check, again."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.approvals.messages import ApprovalOutcome, RevisionSummary
    from billing.approvals.subject_changes import SinceLastRound, SubjectChange, subject_changes
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Kind, State
    from billing.plan_changes.messages import Revise
    from billing.plan_changes.report import blocked_problem, preview_detail
    from billing.plan_changes.subject import PlanChangeInput, Subject, subject_hash

from ..approvals.object_end import ObjectEnd
from ..approvals.review import reviewed, revision
from ..core.operation import Asked, Ended, Story
from .reads import PlanChangeReads
from .waits import PlanChangeWaits


class PlanChangeReview:
    """The part of the story before anything is done to Stripe."""

    def __init__(
        self,
        request: PlanChangeInput,
        story: Story,
        reads: PlanChangeReads,
        waits: PlanChangeWaits,
        end: ObjectEnd,
    ) -> None:
        self._story, self._reads, self._waits, self._end = story, reads, waits, end
        self._wanted = request.wanted
        self._round = 0
        self._revised: RevisionSummary | None = None
        self._since: SinceLastRound | None = None
        self.subject: Subject | None = None
        """What is, or was last, under review."""

    async def agree_on_lines(self, rounds: int = 0) -> Subject:
        """Previews and asks for review until what was approved is still what Stripe would do.

        `rounds` there were before, in an earlier run. Raises Ended when it is blocked, rejected, cancelled
        or left without an answer.
        """
        self._round = rounds
        subject = await self._preview(EventCode.PREVIEWED)
        while True:
            # Of new figures Finance gets a new notice, which takes the place of the one before.
            await self._story.flag_finance(NoticeKind.PLAN_CHANGE_REQUESTED, dump(subject), self._round)
            outcome = await self._review(subject)
            match outcome.state:
                case "approved":
                    current = await self._reads.preview_again(self._wanted, subject)
                    if current is not None and subject_hash(current) == subject_hash(subject):
                        self._stop_if_blocked(current)
                        self._stop_if_cancelled()
                        self._waits.cancellable = False
                        return subject
                    approved, subject = subject, await self._preview(EventCode.LINES_DRIFTED)
                    self._since = SinceLastRound(why="drifted", changes=_changes(approved, subject))
                case "changes_requested":
                    seen, reason = subject, self._wanted.reason
                    revised = await self._await_revision(outcome)
                    subject = await self._preview(EventCode.REQUEST_REVISED)
                    self._since = SinceLastRound(
                        why="revised",
                        changes=_changes(seen, subject, (reason, self._wanted.reason)),
                        asked_by=outcome.person,
                        comment=outcome.comment,
                        revised_by=revised.person,
                    )
                case "superseded":
                    subject = await self._preview(EventCode.PREVIEWED_AGAIN)
                case "rejected":
                    raise Ended(
                        State.REJECTED, EventCode.REJECTED, person=outcome.person, comment=outcome.comment
                    )
                case "expired":
                    raise Ended(State.EXPIRED, EventCode.EXPIRED_UNANSWERED)
                case "dismissed":
                    raise self.cancelled()

    async def _preview(self, event: EventCode) -> Subject:
        """A new preview, at a second that Stripe chooses."""
        self._stop_if_cancelled()
        self._end.looking()
        subject = await self._reads.preview(self._wanted)
        self.subject = subject
        self._round += 1
        await self._story.tell(
            f"preview:{self._round}",
            event,
            state=State.RUNNING,
            stage="previewed",
            subject=dump(subject),
            allowed_actions=("cancel",),
            detail=preview_detail(subject),
        )
        self._stop_if_blocked(subject)
        return subject

    def _stop_if_blocked(self, subject: Subject) -> None:
        if not subject.within_limits:
            raise Ended(State.BLOCKED, EventCode.BLOCKED_BY_LIMITS, blocked_problem(subject))

    def _stop_if_cancelled(self) -> None:
        if self._waits.cancelled is not None:
            raise self.cancelled()

    async def _review(self, subject: Subject) -> ApprovalOutcome:
        """One round; a cancellation on the way dismisses it."""
        rules = self._story.policy.plan_change
        asked = Asked(
            kind=Kind.PLAN_CHANGE,
            subject=dump(subject),
            subject_hash=subject_hash(subject),
            reason=self._wanted.reason,
            ladder=rules.ladder,
            calendar=rules.calendar,
            revised=self._revised,
            since=self._since,
        )
        return await reviewed(self._story, self._waits, self._end, asked, round_=self._round)

    async def _await_revision(self, outcome: ApprovalOutcome) -> Revise:
        """An approver asked for changes: somebody sends a revised request, or takes it back."""
        await self._story.await_revision(self._round, dump(self.subject), outcome)
        revised = await revision(self._waits, self._end)
        self._stop_if_cancelled()
        if revised is None:
            raise Ended(State.EXPIRED, EventCode.EXPIRED_UNREVISED)
        self._revised = RevisionSummary(
            by=revised.person, asked_by=outcome.person, comment=outcome.comment, former=dump(self.subject)
        )
        self._wanted = revised.wanted
        return revised

    def cancelled(self) -> Ended:
        """The end that a cancellation leads to."""
        return Ended.cancelled(self._waits.cancelled)


def _changes(
    before: Subject, after: Subject, reasons: tuple[str, str] | None = None
) -> tuple[SubjectChange, ...]:
    return subject_changes(Kind.PLAN_CHANGE, dump(before), dump(after), reasons)


def dump(subject: Subject | None) -> dict[str, Any]:
    """The subject as rows and mails hold it."""
    return subject.model_dump(mode="json") if subject is not None else {}
