"""A cancellation of the plan: checked, approved, done once in Stripe, verified; an end that is planned is
waited for."""

from collections.abc import Iterator
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.cancellations.cancellation import (
        Action,
        CancellationInput,
        CancellationSubject,
        ReviseCancellation,
    )
    from billing.cancellations.report import (
        CancellationResult,
        cancellation_problem,
        moved_problem,
        taken_back_problem,
        unread_report,
    )
    from billing.cancellations.stripe_params import effect_params
    from billing.core.events import EventCode
    from billing.core.messages import AcceptAsInStripe
    from billing.core.notices import NoticeKind
    from billing.core.operations import Problem, State
    from billing.mail.messages import MailContext
    from billing.operations.questions import Question
    from billing.operations.standing import Standing
    from billing.plan_changes.obstacles import ENDED
    from billing.stripe.effects import OPERATION_MARK, EffectKind

from ..approvals.object_end import OptionalCalls
from ..approvals.review import Review
from ..core import ids
from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.handlers import OperationHandlers
from ..core.lifecycle import OperationRun
from ..core.notes import NoteSync
from ..core.outcome import TROUBLE, OperationEnded, Outcome, outcome_of, problem_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .reads import CancellationPlanner
from .review import ReviewedCancellation

EFFECTS: dict[Action, EffectKind] = {
    "at_period_end": "subscription.cancel_at_period_end",
    "now": "subscription.cancel",
    "take_back": "subscription.keep",
}
DONE = {"now": EventCode.PLAN_ENDED, "take_back": EventCode.PLAN_KEPT}


@workflow.defn(name=ids.CANCELLATION)
class CancellationWorkflow(OperationHandlers):
    """One cancellation, from the request to the end of the plan."""

    _subject: CancellationSubject  # once it is approved

    @workflow.init
    def __init__(self, request: CancellationInput) -> None:
        rules = request.policy.cancellations
        self._commands: PendingCommands[ReviseCancellation, AcceptAsInStripe] = PendingCommands(
            revise_within=rules.revise_within,
            too_late="It is already being done in Stripe: an end that is planned is taken back by a request "
            "of its own.",
        )
        self._poll = timedelta(minutes=rules.waiting_poll)
        self._changes = StripeChanges()
        self._recorder = OperationRecorder(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._effects = OperationEffects(organization=request.organization, operation=request.operation)
        self._planner = CancellationPlanner(request, self._effects.calls)
        self._notes = NoteSync(request.operation, self._effects, request.note)
        reviewed = ReviewedCancellation(
            request,
            self._recorder,
            self._planner,
            CancellationPlanner(request, OptionalCalls()),
            self._notes,
        )
        self._review = Review(self._recorder, self._commands, self._changes, reviewed)
        self._report: CancellationResult | None = None
        self._mismatches = 0

    @workflow.run
    async def run(self, request: CancellationInput) -> str:
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
        if "planned" not in standing.keys:
            await self._do()
            problem = await self._verify()
            if problem is not None:
                return await self._resolve(problem)
            if self._subject.action != "at_period_end":
                return self._done(DONE[self._subject.action])
            await self._record_planned()
        return await self._until_ended()

    async def _approved(self, standing: Standing) -> CancellationSubject:
        """What approvers have agreed to, in this run or an earlier one."""
        if not standing.begun:
            return (await self._review.agree(standing)).subject
        self._mismatches = standing.asked_before(Question.MISMATCH)
        return CancellationSubject.model_validate(standing.subject)

    # --- In Stripe ------------------------------------------------------------------------------------

    async def _do(self) -> None:
        """Does it, at most once. Raises OperationEnded when Stripe refused it: nothing was done."""
        await self._recorder.record_progress(
            "applying",
            EventCode.CANCELLING_PLAN,
            state=State.RUNNING,
            stage="applying",
            allowed_actions=(),
        )
        subject = self._subject
        done = await self._effects.perform(
            "cancel", EFFECTS[subject.action], subject.subscription, effect_params(subject)
        )
        if done.outcome == "refused":
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, done.problem))

    async def _verify(self) -> Problem | None:
        """Reads it back; None when Stripe has exactly what was approved, and the note."""
        try:
            self._report = await self._planner.came(self._subject)
        except TROUBLE as error:
            return problem_of(error)
        return cancellation_problem(self._report) or await self._verify_note()

    async def _verify_note(self) -> Problem | None:
        """None when Stripe has every note that our records have."""
        subscription = self._subject.subscription
        try:
            held = (await self._planner.facts()).metadata
            return await self._notes.sync("subscription.note", subscription, held, (subscription,))
        except TROUBLE as error:
            return problem_of(error)

    def _done(self, event: EventCode) -> Outcome:
        assert self._report is not None, "it was verified"
        again = 2 if self._subject.action == "at_period_end" else 1  # after the one of its plan
        notice = self._recorder.notice(
            NoticeKind.CANCELLATION_APPLIED, self._subject, again, result=self._report
        )
        return Outcome(State.COMPLETED, event, result=self._report, notice=notice)

    # --- Waiting for the end --------------------------------------------------------------------------

    async def _record_planned(self) -> None:
        """From here on the subscription is free for other changes, of which one may take the end back."""
        assert self._report is not None, "it was verified"
        await self._recorder.record_progress(
            "planned",
            EventCode.PLAN_END_PLANNED,
            state=State.RUNNING,
            stage="ending",
            result=self._report,
            allowed_actions=(),
            detail={"ends_at": self._subject.ends_at},
            notice=self._recorder.notice(NoticeKind.CANCELLATION_APPLIED, self._subject, result=self._report),
        )
        context = MailContext(subject=self._subject, result=self._report)
        self._recorder.mail_requester("planned", "cancellation_planned", context)

    async def _until_ended(self) -> Outcome:
        subject = self._subject
        while True:
            self._changes.clear()
            found = await self._planner.facts()
            if found.status in ENDED:
                problem = await self._verify()
                return await self._resolve(problem) if problem else self._done(EventCode.PLAN_ENDED)
            if found.cancel_at is None:
                by = found.metadata.get(OPERATION_MARK)
                ours = by if by != self._recorder.operation else None
                self._effects.came_to_nothing()
                return Outcome(State.CANCELLED, EventCode.PLAN_END_TAKEN_BACK, taken_back_problem(ours))
            if found.cancel_at != subject.ends_at:
                self._effects.came_to_nothing()
                return Outcome(State.FAILED, EventCode.PLAN_END_MOVED, moved_problem(found.cancel_at))
            await self._changes.wait(self._delays(), objects=[subject.subscription])

    def _delays(self) -> Iterator[timedelta]:
        while True:
            left = timedelta(seconds=(self._subject.ends_at or 0) - workflow.now().timestamp())
            yield max(left, self._poll)

    # --- What is not as approved ----------------------------------------------------------------------

    async def _resolve(self, problem: Problem) -> Outcome:
        """What is not as approved waits for a person, who takes it as Stripe has it."""
        self._mismatches += 1
        report = self._report or unread_report(self._subject)
        asked = Question.MISMATCH.key(self._mismatches)
        await self._recorder.record_progress(
            asked,
            EventCode.CANCELLATION_DIFFERS,
            state=State.MISMATCHED,
            stage=Question.MISMATCH.stage,
            result=report,
            error=problem,
            allowed_actions=("accept",),
            detail=problem.model_dump(),
            notice=self._recorder.notice(
                NoticeKind.CANCELLATION_DIFFERS,
                self._subject,
                self._mismatches,
                result=report,
                problem=problem,
            ),
        )
        context = MailContext(state=State.MISMATCHED, subject=self._subject, result=report, problem=problem)
        self._recorder.mail_requester(asked, "cancellation_ended", context)
        accepted = await self._commands.resolve.answer_to(self._mismatches)
        unnoted = await self._verify_note()
        said = {"accepted_by": accepted.person, "comment": accepted.comment, "note_problem": unnoted}
        return Outcome(
            State.COMPLETED,
            EventCode.ACCEPTED_AS_IN_STRIPE,
            result=report.model_copy(update=said),
            person=accepted.person,
            comment=accepted.comment,
        )

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def revise(self, revise: ReviseCancellation) -> None:
        """The edited request, after an approver asked for changes."""
        await self._commands.revise.take(revise)

    @workflow.update
    async def resolve(self, resolve: AcceptAsInStripe) -> None:
        """Accepts what Stripe made of it."""
        await self._commands.resolve.take(resolve)
