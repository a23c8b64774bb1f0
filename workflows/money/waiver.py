"""A void or write-off: checked, within authority or approved, done once, read back, closed with its note."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Problem, State
    from billing.mail.messages import MailContext
    from billing.money.waiver import AcceptWaiver, ReviseWaiver, WaiverInput, WaiverSubject
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
from .reservation import MoneyReservation
from .review import ReviewedMoney
from .waiver_issue import WaiverIssue
from .waiver_reads import WaiverPlanner

DONE = {"void": EventCode.VOIDED, "write_off": EventCode.WRITTEN_OFF}
DIFFERS = {
    "void": (EventCode.VOID_DIFFERS, NoticeKind.VOID_DIFFERS),
    "write_off": (EventCode.WRITE_OFF_DIFFERS, NoticeKind.WRITE_OFF_DIFFERS),
}


@workflow.defn(name=ids.WAIVER)
class WaiverWorkflow(OperationHandlers):
    """One void or write-off, from the request to the read-back."""

    _subject: WaiverSubject  # once it is approved

    @workflow.init
    def __init__(self, request: WaiverInput) -> None:
        self._action = request.wanted.action
        rules = request.policy.money_rules(request.kind)
        self._mismatches = 0
        self._commands: PendingCommands[ReviseWaiver, AcceptWaiver] = PendingCommands(
            revise_within=rules.revise_within, too_late="The invoice is already being changed in Stripe."
        )
        self._changes = StripeChanges()
        self._recorder = OperationRecorder(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._effects = OperationEffects(organization=request.organization, operation=request.operation)
        reads = WaiverPlanner(request, self._effects.calls)
        notes = NoteSync(request.operation, self._effects, request.note)
        reviewed = ReviewedMoney(
            request,
            self._recorder,
            reads,
            WaiverPlanner(request, OptionalCalls()),
            MoneyReservation(self._recorder, request.kind, rules),
            notes,
        )
        self._review = Review(self._recorder, self._commands, self._changes, reviewed)
        self._issue = WaiverIssue(self._recorder, self._effects, reads, notes)

    @workflow.run
    async def run(self, request: WaiverInput) -> str:
        async with OperationRun(self._recorder, self._effects, self._commands) as run:
            standing = await run.begin()
            if standing.closed_at is not None:
                return standing.state.value
            outcome = await outcome_of(self._carry_out(standing))
            while run.leaves_doubt(outcome):
                outcome = await outcome_of(self._resolve(outcome.why))
            return await run.end(outcome)

    async def _carry_out(self, standing: Standing) -> Outcome:
        self._subject = await self._approved(standing)
        self._commands.cancel.close()
        await self._issue.give_up(self._subject)
        problem = await self._issue.verify()
        if problem is not None:
            return await self._resolve(problem)
        return Outcome(State.COMPLETED, DONE[self._action], result=self._issue.report)

    async def _approved(self, standing: Standing) -> WaiverSubject:
        """What is within somebody's authority or approved, in this run or an earlier one."""
        if not standing.begun:
            return (await self._review.agree(standing)).subject
        self._mismatches = standing.asked_before(Question.MISMATCH)
        return WaiverSubject.model_validate({**(standing.subject or {}), "about": self._action})

    async def _resolve(self, problem: Problem) -> Outcome:
        """What is not as agreed waits for a person, who takes it as Stripe has it."""
        self._mismatches += 1
        accepted = await self._ask_what_next(problem, self._mismatches)
        unnoted = await self._issue.verify_note()
        said = {"accepted_by": accepted.person, "comment": accepted.comment, "note_problem": unnoted}
        return Outcome(
            State.COMPLETED,
            EventCode.ACCEPTED_AS_IN_STRIPE,
            result=self._issue.report.model_copy(update=said),
            person=accepted.person,
            comment=accepted.comment,
        )

    async def _ask_what_next(self, problem: Problem, number: int) -> AcceptWaiver:
        asked, (event, notice) = Question.MISMATCH.key(number), DIFFERS[self._action]
        subject, report = self._subject, self._issue.report
        await self._recorder.record_progress(
            asked,
            event,
            state=State.MISMATCHED,
            stage=Question.MISMATCH.stage,
            result=report,
            error=problem,
            allowed_actions=("accept",),
            detail=problem.model_dump(),
        )
        await self._recorder.flag_finance(notice, subject, number, result=report, problem=problem)
        context = MailContext(state=State.MISMATCHED, subject=subject, result=report, problem=problem)
        self._recorder.mail_requester(asked, "money_ended", context)
        return await self._commands.resolve.answer_to(number)

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def revise(self, revise: ReviseWaiver) -> None:
        """The edited request, after an approver asked for changes."""
        await self._commands.revise.take(revise)

    @workflow.update
    async def resolve(self, resolve: AcceptWaiver) -> None:
        """Accepts what Stripe made of the invoice."""
        await self._commands.resolve.take(resolve)
