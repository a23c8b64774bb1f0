"""A plan change: preview to the second, review of exactly these lines, one change in Stripe, verified."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import State
    from billing.operations.standing import Standing
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.payment import may_wait
    from billing.plan_changes.stripe_params import apply_params
    from billing.plan_changes.subject import PlanChangeInput, PlanChangeSubject
    from billing.stripe.effects import EffectBegins

from ..approvals.object_end import OptionalCalls
from ..approvals.review import Review
from ..core import ids
from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.handlers import OperationHandlers
from ..core.lifecycle import OperationRun
from ..core.outcome import Outcome, outcome_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .payment import PlanChangePayment
from .reads import PlanChangeReads
from .review import ReviewedPlanChange
from .schedule import PlanChangeSchedule
from .verification import PlanChangeVerification


@workflow.defn(name=ids.PLAN_CHANGE)
class PlanChangeWorkflow(OperationHandlers):
    """One plan change, from the request to the last verified line."""

    @workflow.init
    def __init__(self, request: PlanChangeInput) -> None:
        self._commands: PendingCommands[Revise, Resolve] = PendingCommands(
            too_late="The change is already being applied in Stripe.",
            revise=Revise,
            resolve=Resolve,
        )
        self._changes = StripeChanges()
        self._recorder = OperationRecorder(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._effects = OperationEffects(organization=request.organization, operation=request.operation)
        reads = PlanChangeReads(request, self._effects.calls, self._changes)
        glances = PlanChangeReads(request, OptionalCalls(), self._changes)
        self._reviewed = ReviewedPlanChange(request, self._recorder, reads, glances)
        self._review = Review(self._recorder, self._commands, self._changes, self._reviewed)
        self._payment = PlanChangePayment(self._recorder, self._effects, reads, self._commands, self._changes)
        self._verification = PlanChangeVerification(
            self._recorder, self._effects, reads, glances, self._commands, self._payment
        )
        self._schedule = PlanChangeSchedule(
            self._recorder, self._effects, reads, self._commands, self._changes, self._verification
        )

    @workflow.run
    async def run(self, request: PlanChangeInput) -> str:
        async with OperationRun(self._recorder, self._effects, self._commands) as run:
            standing = await run.begin()
            if standing.closed_at is not None:
                return standing.state.value
            outcome = await outcome_of(self._carry_out(standing))
            while run.leaves_doubt(outcome):
                outcome = await outcome_of(self._verification.resolve(outcome.why))
            return await run.end(outcome)

    async def _carry_out(self, standing: Standing) -> Outcome:
        subject = await self._approved(standing)
        self._verification.expect(subject, standing)
        if subject.effective == "period_end":
            return await self._schedule.carry_out(subject, standing)
        return await self._change_now(subject)

    async def _approved(self, standing: Standing) -> PlanChangeSubject:
        """The lines that approvers have agreed to, in this run or an earlier one."""
        if standing.begun:
            return PlanChangeSubject.model_validate(standing.subject)
        return (await self._review.agree(standing)).subject

    async def _change_now(self, subject: PlanChangeSubject) -> Outcome:
        self._commands.cancel.pause()  # one that waits for its payment can be taken back again
        before = self._reviewed.checked if subject.charged_at_once else None
        params = apply_params(subject, may_wait=before is not None and may_wait(subject, before))
        begins = EffectBegins(event=EventCode.APPLYING, stage="applying")
        applied = await self._effects.perform(
            "apply", "subscription.update", subject.subscription, params, begins=begins
        )
        if applied.outcome == "refused" and applied.declined:
            return Outcome(State.DECLINED, EventCode.CARD_DECLINED, applied.problem)
        if applied.outcome == "refused":
            return Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, applied.problem)
        self._payment.follow(applied, before)
        return await self._verification.verify()

    # --- What people send -----------------------------------------------------------------------------

    @workflow.update
    async def revise(self, revise: Revise) -> None:
        """The edited request, after an approver asked for changes."""
        await self._commands.revise.take(revise)

    @workflow.update
    async def resolve(self, resolve: Resolve) -> None:
        """Accepts or reverts what Stripe made of the change."""
        await self._commands.resolve.take(resolve)
