"""A plan change: preview to the second, review of exactly these lines, one change in Stripe, verified."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.messages import Cancel
    from billing.core.operations import State
    from billing.core.standing import Standing
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.stripe_params import apply_params
    from billing.plan_changes.subject import PlanChangeInput, Subject
    from billing.stripe.events import StripeChanged

from ..approvals.object_end import Glances, ObjectEnd
from ..core import ids
from ..core.life import live
from ..core.operation import Ended, Story
from .outcome import PlanChangeOutcome
from .reads import PlanChangeReads
from .review import PlanChangeReview
from .schedule import PlanChangeSchedule
from .waits import PlanChangeWaits


@workflow.defn(name=ids.PLAN_CHANGE)
class PlanChangeWorkflow:
    """One plan change, from the request to the last verified line."""

    @workflow.init
    def __init__(self, request: PlanChangeInput) -> None:
        self._waits = PlanChangeWaits(request)
        self._story = Story(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._reads = PlanChangeReads(request, self._story.calls, self._waits.news)
        glances = PlanChangeReads(request, Glances(), self._waits.news)
        end = ObjectEnd(
            self._waits,
            self._waits.news,
            glances.over,
            state=State.FAILED,
            event=EventCode.SUBSCRIPTION_CANCELLED,
        )
        self._review = PlanChangeReview(request, self._story, self._reads, self._waits, end)
        self._outcome = PlanChangeOutcome(self._story, self._reads, self._waits)
        self._schedule = PlanChangeSchedule(self._story, self._reads, self._waits, self._outcome)

    @workflow.run
    async def run(self, request: PlanChangeInput) -> str:
        return await live(
            self._story,
            self._waits,
            tell=self._told,
            unclear=self._outcome.unclear,
        )

    # --- What people and Stripe send ------------------------------------------------------------------

    @workflow.update
    async def cancel(self, cancel: Cancel) -> None:
        """Takes the request back; possible until the change is being applied, and while it is scheduled."""
        await self._waits.take_cancel(cancel)

    @cancel.validator
    def _may_cancel(self, cancel: Cancel) -> None:
        self._waits.check_cancel()

    @workflow.update
    async def revise(self, revise: Revise) -> None:
        """The edited request, after an approver asked for changes."""
        await self._waits.take_revision(revise)

    @workflow.update
    async def resolve(self, resolve: Resolve) -> None:
        """Accepts or reverts what Stripe made of the change."""
        await self._waits.take_resolution(resolve)

    @workflow.signal
    def stripe_changed(self, changed: StripeChanged) -> None:
        """Stripe has told us of the subscription; what it is now, is read from Stripe."""
        self._waits.news.tell()

    # --- The story ------------------------------------------------------------------------------------

    async def _told(self, standing: Standing) -> Ended:
        if standing.begun:
            subject = self._review.subject = Subject.model_validate(standing.subject)
            self._outcome.take_up(standing)
        else:
            subject = await self._review.agree_on_lines(standing.last("preview"))
        self._outcome.subject = subject
        if subject.effective == "period_end":
            return await self._schedule.carried_out(subject, standing)
        return await self._change_now(subject)

    async def _change_now(self, subject: Subject) -> Ended:
        self._waits.past_cancelling = True
        await self._story.tell(
            "applying",
            EventCode.APPLYING,
            state=State.RUNNING,
            stage="applying",
            allowed_actions=(),
        )
        applied = await self._story.perform(
            "apply", "subscription.update", subject.subscription, apply_params(subject)
        )
        if applied.outcome == "refused" and applied.declined:
            return Ended(State.DECLINED, EventCode.CARD_DECLINED, applied.problem)
        if applied.outcome == "refused":
            return Ended(State.FAILED, EventCode.REFUSED_BY_STRIPE, applied.problem)
        return await self._outcome.verified()
