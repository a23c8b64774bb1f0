"""A refund: checked, within authority or approved, issued once, followed to its end, closed with its note."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Kind, Problem, State
    from billing.mail.messages import MailContext
    from billing.money.refund import RefundInput, RefundSubject, ResolveRefund, ReviseRefund
    from billing.operations.questions import Question
    from billing.operations.standing import Standing

from ..approvals.object_end import OptionalCalls
from ..approvals.review import Review
from ..core import ids
from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.handlers import OperationHandlers
from ..core.lifecycle import OperationRun
from ..core.notes import NoteSync
from ..core.outcome import Outcome, outcome_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .refund_issue import RefundIssue
from .refund_reads import RefundReads
from .reservation import MoneyReservation
from .review import ReviewedMoney


@workflow.defn(name=ids.REFUND)
class RefundWorkflow(OperationHandlers):
    """One refund, from the request to the last day on which it could still fail."""

    _subject: RefundSubject  # once it is approved

    @workflow.init
    def __init__(self, request: RefundInput) -> None:
        rules = request.policy.refund
        self._failures = 0
        self._asks_again = False
        self._commands: PendingCommands[ReviseRefund, ResolveRefund] = PendingCommands(
            too_late="The refund is already being issued in Stripe.",
            revise=ReviseRefund,
            resolve=ResolveRefund,
        )
        self._changes = StripeChanges()
        self._recorder = OperationRecorder(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._effects = OperationEffects(organization=request.organization, operation=request.operation)
        reads = RefundReads(request, self._effects.calls)
        notes = NoteSync(request.operation, self._effects, request.note)
        reservation = MoneyReservation(self._recorder, Kind.REFUND, rules)
        reviewed = ReviewedMoney(
            request,
            self._recorder,
            reads,
            RefundReads(request, OptionalCalls()),
            reservation,
            notes,
        )
        self._review = Review(self._recorder, self._commands, self._changes, reviewed)
        self._issue = RefundIssue(
            rules,
            self._recorder,
            self._effects,
            self._commands,
            self._changes,
            reads,
            reservation,
            notes,
        )

    @workflow.run
    async def run(self, request: RefundInput) -> str:
        async with OperationRun(self._recorder, self._effects, self._commands) as run:
            standing = await run.begin()
            if standing.closed_at is not None and standing.state is not State.COMPLETED:
                return standing.state.value
            outcome = await outcome_of(self._carry_out(standing))
            while run.leaves_doubt(outcome):
                outcome = await outcome_of(self._until_it_holds(outcome.why))
            if outcome is None:
                return State.COMPLETED.value
            return await run.end(outcome)

    async def _carry_out(self, standing: Standing) -> Outcome | None:
        """How it ended; None when it was completed and nothing came after."""
        self._subject = await self._approved(standing)
        return await self._until_it_holds(await self._issue.begin(self._subject))

    async def _approved(self, standing: Standing) -> RefundSubject:
        """What is within somebody's authority or approved, in this run or an earlier one."""
        if not standing.begun:
            return (await self._review.agree(standing)).subject
        self._failures = standing.last(Question.FAILURE)
        self._issue.take_up(standing)
        answered = self._commands.resolve.is_answered(self._failures)
        self._asks_again = standing.asks(Question.FAILURE) or (answered and self._issue.is_to_be_retried)
        return RefundSubject.model_validate(standing.subject)

    async def _until_it_holds(self, problem: Problem | None) -> Outcome | None:
        """Done when every part came through and stays through; a failure is never left to itself."""
        while True:
            after_success = problem is None
            if problem is None:
                self._asks_again = False  # it is over: another failure is another question
                await self._completed(self._failures)
                problem = await self._issue.watch()
                if problem is None:
                    return None
            if not self._asks_again:
                self._failures += 1
            self._asks_again = False
            resolve = await self._ask_what_next(problem, self._failures, after_success)
            if resolve.action == "retry":
                problem = await self._issue.again(resolve)
            else:
                return await self._left_at_that(resolve)

    async def _completed(self, failures: int) -> None:
        # Not over: after a crash our records may know of a failure, and of what a person says to it, before
        # this run has found out once more.
        self._commands.cancel.close()
        end = Outcome(State.COMPLETED, EventCode.REFUNDED, result=self._issue.report())
        await self._recorder.record_progress(
            f"completed:{failures}",
            end.event,
            state=end.state,
            stage="done",
            result=end.result,
            allowed_actions=(),
        )

    async def _ask_what_next(self, problem: Problem, number: int, after_success: bool) -> ResolveRefund:
        """The note is open again; Finance and the requester hear of it, and a person says what next."""
        asked, partly = Question.FAILURE.key(number), bool(self._issue.came_through)
        report, subject = self._issue.report(), self._subject
        kind = NoticeKind.REFUND_INCOMPLETE if partly else NoticeKind.REFUND_FAILED
        context = MailContext(
            subject=subject, result=report, problem=problem, after_success=after_success, number=number
        )
        await self._recorder.record_progress(
            asked,
            EventCode.REFUND_FAILED_AFTER_SUCCESS if after_success else EventCode.REFUND_FAILED,
            state=State.MISMATCHED if partly else State.FAILED,
            stage=Question.FAILURE.stage,
            result=report,
            error=problem,
            allowed_actions=("retry", "close"),
            stays_open=True,
            detail=problem.model_dump(),
            notice=self._recorder.notice(kind, subject, number, result=report, problem=problem),
            mails=(self._recorder.to_requester(asked, "refund_failed", context),),
        )
        what = "Not all of the refund came through: waits for somebody to try again or close it."
        return await self._commands.resolve.answer_to(number, what)

    async def _left_at_that(self, resolve: ResolveRefund) -> Outcome:
        """Closed by a person; what came through stays counted. Their comment is its note."""
        unnoted = await self._issue.close_note(resolve)
        through = self._issue.came_through
        report = self._issue.report()
        if unnoted is not None:
            report = report.model_copy(update={"note_problem": unnoted})
        return Outcome(
            State.COMPLETED if through else State.FAILED,
            EventCode.PARTLY_REFUNDED if through else EventCode.CLOSED_WITHOUT_REFUND,
            None if through else self._issue.problem(),
            result=report,
            person=resolve.person,
            comment=resolve.comment,
            keeps=through,
            settled=True,
        )

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def revise(self, revise: ReviseRefund) -> None:
        """The edited request, after an approver asked for changes."""
        await self._commands.revise.take(revise)

    @workflow.update
    async def resolve(self, resolve: ResolveRefund) -> None:
        """Tries a failed refund again, or leaves it at what came through."""
        await self._commands.resolve.take(resolve)
