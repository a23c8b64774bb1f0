"""A refund: checked, within authority or approved, issued once, followed to its end, closed with its note."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.messages import Cancel
    from billing.core.notices import NoticeKind
    from billing.core.operations import Kind, Problem, State
    from billing.core.standing import Standing
    from billing.money.refund import RefundInput, RefundSubject, ResolveRefund, ReviseRefund
    from billing.stripe.events import StripeChanged

from ..approvals.object_end import Glances
from ..core import ids
from ..core.inbox import Waits
from ..core.life import live
from ..core.operation import Ended, Story
from .refund_issue import RefundIssue
from .refund_reads import RefundReads
from .review import MoneyReview, Planned


@workflow.defn(name=ids.REFUND)
class RefundWorkflow:
    """One refund, from the request to the last day on which it could still fail."""

    @workflow.init
    def __init__(self, request: RefundInput) -> None:
        rules = request.policy.refund
        self._wanted = request.wanted
        self._failures = 0
        self._story = Story(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._waits: Waits[ReviseRefund, ResolveRefund] = Waits(
            revise_within=rules.revise_within, too_late="The refund is already being issued in Stripe."
        )
        self._reads = RefundReads(request, self._story.calls)
        self._glances = RefundReads(request, Glances())
        self._issue = RefundIssue(request, self._story, self._waits, self._reads, self._has_room)
        self._review = MoneyReview[RefundSubject](
            self._story,
            self._waits,
            Kind.REFUND,
            rules,
            self._plan,
            self._reads.still_possible,
            self._revised,
            glance=self._glance,
            news=self._issue.news,
        )

    @workflow.run
    async def run(self, request: RefundInput) -> str:
        return await live(
            self._story,
            self._waits,
            tell=self._told,
            unclear=self._until_it_holds,
            watches=True,
        )

    # --- What people and Stripe send ------------------------------------------------------------------

    @workflow.update
    async def cancel(self, cancel: Cancel) -> None:
        """Takes the request back; possible until it is being issued, and while it waits for the customer."""
        await self._waits.take_cancel(cancel)

    @cancel.validator
    def _may_cancel(self, cancel: Cancel) -> None:
        self._waits.check_cancel()

    @workflow.update
    async def revise(self, revise: ReviseRefund) -> None:
        """The edited request, after an approver asked for changes."""
        await self._waits.take_revision(revise)

    @workflow.update
    async def resolve(self, resolve: ResolveRefund) -> None:
        """Tries a failed refund again, or leaves it at what came through."""
        await self._waits.take_resolution(resolve)

    @workflow.signal
    def stripe_changed(self, changed: StripeChanged) -> None:
        """Stripe has told us of a change; what it is, is read from Stripe."""
        self._issue.news.tell()

    # --- The story ------------------------------------------------------------------------------------

    async def _plan(self) -> Planned[RefundSubject] | Problem:
        return await self._reads.plan(self._wanted)

    async def _glance(self) -> Planned[RefundSubject] | Problem:
        return await self._glances.plan(self._wanted)

    async def _has_room(self, planned: Planned[RefundSubject]) -> bool:
        return await self._review.has_room(planned)

    def _revised(self, revised: ReviseRefund) -> None:
        self._wanted = revised.wanted
        self._issue.notes.learn(revised.note)

    async def _told(self, standing: Standing) -> Ended | None:
        """How it ended; None when it was completed and nothing came after."""
        if not standing.begun:
            subject = await self._review.agree(standing.last("checked"))
        else:
            subject = self._review.subject = RefundSubject.model_validate(standing.subject)
            self._failures = standing.last("failed")
            if standing.stage == "refund_failed":
                self._failures -= 1  # the same failure once more
            self._issue.take_up(standing)
        return await self._until_it_holds(await self._issue.begin(subject))

    async def _until_it_holds(self, problem: Problem | None) -> Ended | None:
        """Done when every part came through and stays through; a failure is never left to itself."""
        while True:
            after_success = problem is None
            if problem is None:
                await self._completed(self._failures)
                problem = await self._issue.watch()
                if problem is None:
                    return None
            self._failures += 1
            resolve = await self._ask_what_next(problem, self._failures, after_success)
            if resolve.action == "retry":
                problem = await self._issue.again(resolve)
            else:
                return await self._left_at_that(resolve)

    async def _completed(self, failures: int) -> None:
        # Not over: after a crash our records may know of a failure, and of what a person says to it, before
        # this story has found out once more.
        self._waits.no_more_cancelling()
        end = Ended(State.COMPLETED, EventCode.REFUNDED, result=self._issue.report())
        await self._story.tell(
            f"completed:{failures}",
            end.event,
            state=end.state,
            stage="done",
            result=end.result,
            allowed_actions=(),
        )

    async def _ask_what_next(self, problem: Problem, number: int, after_success: bool) -> ResolveRefund:
        """The note is open again; Finance and the requester hear of it, and a person says what next."""
        partly = bool(self._issue.came_through)
        report = self._issue.report()
        await self._story.tell(
            f"failed:{number}",
            EventCode.REFUND_FAILED_AFTER_SUCCESS if after_success else EventCode.REFUND_FAILED,
            state=State.MISMATCHED if partly else State.FAILED,
            stage="refund_failed",
            result=report,
            error=problem,
            allowed_actions=("retry", "close"),
            stays_open=True,
            detail=problem.model_dump(),
        )
        subject = self._subject_document()
        kind = NoticeKind.REFUND_INCOMPLETE if partly else NoticeKind.REFUND_FAILED
        await self._story.flag_finance(
            kind, subject | {"result": report, "problem": problem.model_dump()}, number
        )
        await self._story.mail_requester(
            f"failed:{number}",
            "refund_failed",
            {
                "subject": subject,
                "result": report,
                "problem": problem.model_dump(),
                "after_success": after_success,
                "number": number,
            },
        )
        return await self._waits.for_resolution()

    async def _left_at_that(self, resolve: ResolveRefund) -> Ended:
        """Closed by a person; what came through stays counted. Their comment is its note."""
        unnoted = await self._issue.close_note(resolve)
        through = self._issue.came_through
        report = self._issue.report()
        if unnoted is not None:
            report |= {"note_problem": unnoted.model_dump()}
        return Ended(
            State.COMPLETED if through else State.FAILED,
            EventCode.PARTLY_REFUNDED if through else EventCode.CLOSED_WITHOUT_REFUND,
            None if through else self._issue.problem(),
            result=report,
            person=resolve.person,
            comment=resolve.comment,
            keeps=through,
            settled=True,
        )

    def _subject_document(self) -> dict[str, object]:
        subject = self._review.subject
        return subject.model_dump(mode="json") if subject is not None else {}
