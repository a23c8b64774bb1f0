"""A plan change at the end of the period: scheduled in Stripe, waited for, verified at the renewal."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import NamedTuple

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
        not_as_approved,
        not_as_reviewed,
        schedule_phases,
        uncarried_problem,
    )
    from billing.plan_changes.report import (
        ScheduledPlanChange,
        schedule_gone_problem,
        schedule_problem,
    )
    from billing.plan_changes.stripe_params import schedule_params
    from billing.plan_changes.subject import PlanChangeSubject, subject_hash

from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.outcome import TROUBLE, OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .reads import PlanChangeReads
from .verification import PlanChangeVerification


class CreatedSchedule(NamedTuple):
    """A schedule in Stripe, and its one phase as it was made of the subscription."""

    schedule: str
    made: MadePhase


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
        created = await self._create(subject, standing)
        if "scheduled" not in standing.keys:
            refusal = await self._planned(subject, created)
            if refusal is not None:
                return await self._over(subject, created, refusal)
        if standing.version("release") or standing.last(Question.MISMATCH):
            return await self._over(subject, created, None)
        await self._record_scheduled(subject, created.schedule)
        return await self._over(subject, created, await self._until_changed(subject, created))

    # --- Planning -------------------------------------------------------------------------------------

    async def _create(self, subject: PlanChangeSubject, standing: Standing) -> CreatedSchedule:
        if "scheduled" not in standing.keys:
            await self._recorder.record_progress(
                "applying",
                EventCode.SCHEDULING,
                state=State.RUNNING,
                stage="applying",
                allowed_actions=(),
            )
        created = await self._effects.perform("schedule", "schedule.create", subject.subscription, {})
        if created.outcome == "refused" or created.stripe_id is None:
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, created.problem))
        return CreatedSchedule(created.stripe_id, MadePhase.model_validate(created.detail))

    async def _planned(self, subject: PlanChangeSubject, created: CreatedSchedule) -> Outcome | None:
        """Plans the change in Stripe; why it can't be planned as approved, or read back."""
        try:
            return await self._plan(subject, created)
        except TROUBLE as error:
            return Outcome(State.FAILED, EventCode.SCHEDULE_UNREADABLE, problem_of(error))

    async def _plan(self, subject: PlanChangeSubject, created: CreatedSchedule) -> Outcome | None:
        """Why the schedule does not say what was approved; None when it does."""
        made = created.made
        if made.uncarried:
            return Outcome(State.FAILED, EventCode.SCHEDULE_DIFFERS, uncarried_problem(made.uncarried))
        if names := not_as_reviewed(subject, made):
            return _differs(names)
        if names := not_as_approved(subject, await self._reads.facts()):
            return _differs(names)
        params = schedule_params(subject, made)
        planned = await self._effects.perform("phases", "schedule.update", created.schedule, params)
        if planned.outcome == "refused":
            return Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, planned.problem)
        if names := differences(params["phases"], await self._reads.schedule(created.schedule)):
            return _differs(names)
        will = await self._reads.planned(subject, created.schedule)
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

    async def _until_changed(self, subject: PlanChangeSubject, created: CreatedSchedule) -> Outcome | None:
        """Waits for the change or a cancellation: None. Otherwise why it will never happen by itself."""
        sent = schedule_phases(subject, created.made)
        try:
            while self._commands.cancel.received is None:
                match await self._reads.standing(subject, created.schedule, sent):
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

    async def _over(
        self, subject: PlanChangeSubject, created: CreatedSchedule, never: Outcome | None
    ) -> Outcome:
        """Done, taken back, or given up; `never` says why it will not happen by itself.

        A schedule that stayed would be in the way of the next change, and could happen later after all.
        """
        self._commands.cancel.close()
        in_time = await self._release(subject, created.schedule)
        try:
            changed = await self._reads.has_changed(subject) and not in_time
        except TROUBLE as error:
            problem = problem_of(error)
            if not in_time:
                return await self._verification.resolve(problem)
            changed = False
        if changed:
            sent = schedule_phases(subject, created.made)
            undone = await self._reads.undone(created.schedule, sent, created.made.ended)
            return await self._verification.verify(undone=undone)
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
