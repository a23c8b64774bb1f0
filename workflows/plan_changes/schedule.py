"""A plan change at the end of the period: scheduled in Stripe, waited for, verified at the renewal."""

from collections.abc import Collection, Iterator
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import Problem, State
    from billing.mail.messages import MailContext
    from billing.operations.questions import Question
    from billing.operations.standing import Standing
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.obstacles import subscription_ended_problem
    from billing.plan_changes.phases import (
        MadePhase,
        differences,
        differently_billed,
        not_as_reviewed,
        uncarried_problem,
    )
    from billing.plan_changes.report import (
        ScheduledPlanChange,
        schedule_gone_problem,
        schedule_problem,
    )
    from billing.plan_changes.stripe_params import schedule_params
    from billing.plan_changes.subject import PlanChangeSubject, subject_hash
    from billing.stripe.effects import EffectOutcome

from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.outcome import TROUBLE, OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .reads import PlanChangeReads
from .verification import PlanChangeVerification


class PlanChangeSchedule:
    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        reads: PlanChangeReads,
        commands: PendingCommands[Revise, Resolve],
        changes: StripeChanges,
        verification: PlanChangeVerification,
    ) -> None:
        self._recorder, self._effects, self._reads = recorder, effects, reads
        self._commands, self._changes, self._verification = commands, changes, verification

    async def carry_out(self, subject: PlanChangeSubject, standing: Standing) -> Outcome:
        """Schedules it, or takes up the schedule of an earlier run, and sees it through."""
        if "scheduled" not in standing.keys:
            schedule = await self._planned(subject)
        else:
            created = await self._create(subject)
            assert created.stripe_id is not None, "it was scheduled"
            schedule = created.stripe_id
        if standing.version("release") or standing.last(Question.MISMATCH):
            return await self._over(subject, schedule, None)
        await self._record_scheduled(subject, schedule)
        return await self._over(subject, schedule, await self._until_changed(subject, schedule))

    # --- Planning -------------------------------------------------------------------------------------

    async def _planned(self, subject: PlanChangeSubject) -> str:
        """Plans the change in Stripe; what can't be planned as approved, or read back, is taken back."""
        await self._recorder.record_progress(
            "applying",
            EventCode.SCHEDULING,
            state=State.RUNNING,
            stage="applying",
            allowed_actions=(),
        )
        created = await self._create(subject)
        if created.outcome == "refused" or created.stripe_id is None:
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, created.problem))
        try:
            refusal = await self._plan(subject, created)
        except TROUBLE as error:
            refusal = Outcome(State.FAILED, EventCode.SCHEDULE_UNREADABLE, problem_of(error))
        if refusal is not None:
            if await self._release(subject, created.stripe_id):
                self._effects.came_to_nothing()
            raise OperationEnded(refusal)
        return created.stripe_id

    async def _create(self, subject: PlanChangeSubject) -> EffectOutcome:
        return await self._effects.perform("schedule", "schedule.create", subject.subscription, {})

    async def _plan(self, subject: PlanChangeSubject, created: EffectOutcome) -> Outcome | None:
        """Why the schedule does not say what was approved; None when it does."""
        assert created.stripe_id is not None
        made = MadePhase.model_validate(created.detail)
        if made.uncarried:
            return Outcome(State.FAILED, EventCode.SCHEDULE_DIFFERS, uncarried_problem(made.uncarried))
        if names := not_as_reviewed(subject, made):
            return _differs(names)
        params = schedule_params(subject, made)
        planned = await self._effects.perform("phases", "schedule.update", created.stripe_id, params)
        if planned.outcome == "refused":
            return Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, planned.problem)
        if names := differences(params["phases"], await self._reads.schedule(created.stripe_id)):
            return _differs(names)
        will = await self._reads.planned(subject, created.stripe_id)
        if subject_hash(will) != subject_hash(subject):
            return _differs(differently_billed(subject, will))
        return None

    async def _record_scheduled(self, subject: PlanChangeSubject, schedule: str) -> None:
        self._commands.cancel.open()
        report = ScheduledPlanChange(schedule=schedule, effective_at=subject.period_end)
        await self._recorder.record_progress(
            "scheduled",
            EventCode.SCHEDULED,
            state=State.RUNNING,
            stage="scheduled",
            result=report,
            allowed_actions=("cancel",),
            detail=report.document(),
        )
        await self._recorder.flag_finance(NoticeKind.PLAN_CHANGE_SCHEDULED, subject, result=report)
        context = MailContext(subject=subject, result=report)
        self._recorder.mail_requester("scheduled", "plan_change_scheduled", context)

    # --- Waiting --------------------------------------------------------------------------------------

    async def _until_changed(self, subject: PlanChangeSubject, schedule: str) -> Outcome | None:
        """Waits for the change or a cancellation: None. Otherwise why it will never happen by itself."""
        try:
            while self._commands.cancel.received is None:
                match await self._reads.standing(subject, schedule):
                    case "changed":
                        return None
                    case "gone":
                        event, problem = EventCode.SCHEDULE_REMOVED, schedule_gone_problem()
                        return Outcome(State.FAILED, event, problem)
                    case Problem() as problem:
                        ended = problem.code == subscription_ended_problem().code
                        event = EventCode.SUBSCRIPTION_CANCELLED if ended else EventCode.GIVEN_UP
                        return Outcome(State.FAILED, event, problem)
                await self._until_told(subject)
        except TROUBLE as error:
            return Outcome(State.FAILED, EventCode.GIVEN_UP, problem_of(error))
        return None

    async def _until_told(self, subject: PlanChangeSubject) -> None:
        """Until Stripe tells of the subscription, or the period has ended and nobody would tell; a
        cancellation ends the wait."""
        cancel = self._commands.cancel
        await self._changes.wait(
            self._delays(subject), lambda: cancel.received is not None, [subject.subscription]
        )

    def _delays(self, subject: PlanChangeSubject) -> Iterator[timedelta]:
        poll = timedelta(minutes=self._recorder.policy.plan_change.scheduled_poll)
        while True:
            left = timedelta(seconds=subject.period_end - workflow.now().timestamp())
            yield max(left, poll)

    async def _over(self, subject: PlanChangeSubject, schedule: str, never: Outcome | None) -> Outcome:
        """Done, taken back, or given up; `never` says why it will not happen by itself.

        A schedule that stayed would be in the way of the next change, and could happen later after all.
        """
        self._commands.cancel.close()
        in_time = await self._release(subject, schedule)
        try:
            changed = await self._reads.has_changed(subject)
        except TROUBLE as error:
            problem = problem_of(error)
            if not in_time:
                return await self._verification.resolve(problem)
            changed = False
        if changed:
            return await self._verification.verify()
        self._effects.came_to_nothing()
        return never or Outcome.cancelled(self._commands.cancel.received)

    async def _release(self, subject: PlanChangeSubject, schedule: str) -> bool:
        """Whether that was in time. One that has run its course refuses; what then holds is to be read."""
        released = await self._effects.perform("release", "schedule.release", schedule, {})
        # By Stripe's clock, as the period is.
        at = released.detail.get("released_at")
        return released.outcome == "done" and at is not None and at < subject.period_end


def _differs(names: Collection[str]) -> Outcome:
    return Outcome(State.FAILED, EventCode.SCHEDULE_DIFFERS, schedule_problem(names))
