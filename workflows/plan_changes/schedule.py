"""A plan change at the end of the period: scheduled in Stripe, waited for, verified at the renewal."""

from collections.abc import Awaitable, Collection, Iterator
from dataclasses import replace
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
    from billing.plan_changes.checks import has_come
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.obstacles import (
        ENDED,
        PlannedEnd,
        not_planned_again,
        subscription_ended_problem,
    )
    from billing.plan_changes.phase_fields import Params
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
        changed_since_problem,
        end_not_planned_problem,
        not_replaceable_problem,
        schedule_gone_problem,
        schedule_problem,
        schedule_released_problem,
        with_replaced,
    )
    from billing.plan_changes.stripe_params import schedule_params
    from billing.plan_changes.subject import PlanChangeSubject, SubscriptionFacts, WaitingChange, subject_hash
    from billing.plan_changes.verification import unforeseen

from ..core import ids
from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.outcome import TROUBLE, OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges, wake
from .reads import PlanChangeReads
from .verification import PlanChangeVerification

END_AGAIN = "end_again"


class PlannedSchedule(NamedTuple):
    """A schedule in Stripe, and the phases that were sent for it; none where they were refused."""

    schedule: str
    sent: tuple[Params, ...]


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
        again = "scheduled" in standing.keys
        if not again:
            await self._recorder.record_progress(
                "applying",
                EventCode.SCHEDULING,
                state=State.RUNNING,
                stage="applying",
                allowed_actions=(),
            )
        if subject.takes_back is not None:
            await self._take_end_back(subject, subject.takes_back)
        try:
            if subject.replaces is not None:
                planned, refusal = await self._rewritten(subject, subject.replaces, standing)
            else:
                planned, refusal = await self._created(subject, again)
        except OperationEnded as early:
            return await self._nothing(subject, early.outcome)
        if refusal is not None:
            return await self._over(subject, planned, refusal)
        if standing.version("release") and self._commands.cancel.received is None:
            given_up = Outcome(State.FAILED, EventCode.GIVEN_UP, schedule_released_problem())
            return await self._over(subject, planned, given_up)
        if standing.version("release") or standing.last(Question.MISMATCH):
            return await self._over(subject, planned, None)
        await self._record_scheduled(subject, planned.schedule)
        return await self._over(subject, planned, await self._until_changed(subject, planned))

    # --- Planning -------------------------------------------------------------------------------------

    async def _created(
        self, subject: PlanChangeSubject, again: bool
    ) -> tuple[PlannedSchedule, Outcome | None]:
        """A schedule made of the subscription; why it can't be planned as approved, if it wasn't before.
        Raises OperationEnded where there is none."""
        created = await self._effects.perform("schedule", "schedule.create", subject.subscription, {})
        if created.outcome == "refused" or created.stripe_id is None:
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, created.problem))
        made = MadePhase.model_validate(created.detail)
        planned = PlannedSchedule(created.stripe_id, schedule_phases(subject, made))
        return planned, None if again else await _refusal(self._plan(subject, planned, made))

    async def _plan(
        self, subject: PlanChangeSubject, planned: PlannedSchedule, made: MadePhase
    ) -> Outcome | None:
        """Why the schedule can't say what was approved; None when it does."""
        if made.uncarried:
            return Outcome(State.FAILED, EventCode.SCHEDULE_DIFFERS, uncarried_problem(made.uncarried))
        if names := _since_approved(subject, made, await self._reads.facts()):
            return _differs(names)
        params = schedule_params(subject, made)
        sent = await self._effects.perform("phases", "schedule.update", planned.schedule, params)
        if sent.outcome == "refused":
            return Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, sent.problem)
        return await self._otherwise(subject, planned)

    async def _rewritten(
        self, subject: PlanChangeSubject, waiting: WaitingChange, standing: Standing
    ) -> tuple[PlannedSchedule, Outcome | None]:
        """The schedule of the change that waited, which ends as it is begun; why it doesn't say what was
        approved. Raises OperationEnded where nothing was begun."""
        params: Params = {}
        if not standing.version("phases"):
            params = await self._rewriting(subject, waiting)
        sent = await self._effects.perform(
            "phases", "schedule.update", waiting.schedule, params, replaces=waiting.operation
        )
        await wake(ids.operation_workflow(waiting.operation))  # it is over, and finds out by looking
        if sent.outcome == "refused":
            refused = Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, sent.problem)
            return PlannedSchedule(waiting.schedule, ()), _neither_comes(refused, subject)
        planned = PlannedSchedule(waiting.schedule, tuple(sent.detail["phases"]))
        if "scheduled" in standing.keys:
            return planned, None
        refusal = await _refusal(self._otherwise(subject, planned))
        return planned, _neither_comes(refusal, subject) if refusal is not None else None

    async def _rewriting(self, subject: PlanChangeSubject, waiting: WaitingChange) -> Params:
        """The parameters that rewrite its schedule.

        Raises OperationEnded where something has changed since the approval: the other one waits as before.
        """
        facts = await self._reads.facts()
        if has_come(waiting, facts):
            problem = not_replaceable_problem(waiting.operation)
            raise OperationEnded(Outcome(State.FAILED, EventCode.GIVEN_UP, problem))
        now = await self._reads.current_phase(waiting.schedule)
        names = (*now.uncarried, *_since_approved(subject, now, facts))
        if names:
            problem = changed_since_problem(names)
            raise OperationEnded(Outcome(State.FAILED, EventCode.GIVEN_UP, problem))
        return schedule_params(subject, now)

    async def _otherwise(self, subject: PlanChangeSubject, planned: PlannedSchedule) -> Outcome | None:
        """Why the schedule does not say what was approved; None when it does."""
        if names := differences(planned.sent, await self._reads.schedule(planned.schedule)):
            return _differs(names)
        will = await self._reads.planned(subject, planned.schedule)
        if subject_hash(will) != subject_hash(subject):
            return _differs(differently_billed(subject, will))
        return None

    async def _record_scheduled(self, subject: PlanChangeSubject, schedule: str) -> None:
        self._commands.cancel.open()
        report = ScheduledPlanChange(schedule=schedule, effective_at=subject.period_end)
        context = MailContext(subject=subject, result=report)
        await self._recorder.record_progress(
            "scheduled",
            EventCode.SCHEDULED,
            state=State.RUNNING,
            stage="scheduled",
            result=report,
            allowed_actions=("cancel",),
            detail=report.document(),
            notice=self._recorder.notice(NoticeKind.PLAN_CHANGE_SCHEDULED, subject, result=report),
            mails=(self._recorder.to_requester("scheduled", "plan_change_scheduled", context),),
        )

    # --- Waiting --------------------------------------------------------------------------------------

    async def _until_changed(self, subject: PlanChangeSubject, planned: PlannedSchedule) -> Outcome | None:
        """Waits for the change or a cancellation: None. Otherwise why it will never happen by itself."""
        try:
            while self._commands.cancel.received is None:
                match await self._reads.standing(subject, planned.schedule, planned.sent):
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
            "Waits for the end of the period, when the change comes into force.",
            self._delays(subject),
            lambda: cancel.received is not None,
            [subject.subscription],
        )

    def _delays(self, subject: PlanChangeSubject) -> Iterator[timedelta]:
        poll = timedelta(minutes=self._recorder.policy.plan_change.scheduled_poll)
        while True:
            left = timedelta(seconds=subject.period_end - workflow.now().timestamp())
            yield max(left, poll)

    async def _over(
        self, subject: PlanChangeSubject, planned: PlannedSchedule, never: Outcome | None
    ) -> Outcome:
        """Done, taken back, or given up; `never` says why it will not happen by itself.

        A schedule that stayed would be in the way of the next change, and could happen later after all.
        """
        self._commands.cancel.close()
        in_time = await self._release(subject, planned.schedule)
        try:
            terms = await self._reads.terms_since(subject)
        except TROUBLE as error:
            problem = problem_of(error)
            if not in_time:
                return await self._verification.resolve(problem)
            terms = None
        if terms is not None and not in_time:
            undone = await self._reads.undone(planned.schedule, planned.sent) if planned.sent else ()
            return await self._verification.verify(unforeseen(subject, terms, undone))
        return await self._nothing(subject, never or Outcome.cancelled(self._commands.cancel.received))

    # --- The end of the subscription ------------------------------------------------------------------

    async def _take_end_back(self, subject: PlanChangeSubject, end: PlannedEnd) -> None:
        """Before the schedule is made: what becomes of one whose subscription is to end no page of Stripe
        says. Raises OperationEnded where Stripe refuses."""
        kept = await self._effects.perform("keep", "subscription.keep", subject.subscription, end.taken_back)
        if kept.outcome == "refused":
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, kept.problem))

    async def _nothing(self, subject: PlanChangeSubject, outcome: Outcome) -> Outcome:
        """Nothing comes of it: the end that was taken back for it is planned again, or it is said that it
        isn't."""
        if subject.takes_back is not None:
            outcome = await self._end_again(subject, subject.takes_back, outcome)
        self._effects.came_to_nothing()
        return outcome

    async def _end_again(self, subject: PlanChangeSubject, end: PlannedEnd, outcome: Outcome) -> Outcome:
        if not self._effects.has_begun(END_AGAIN):
            facts = await self._reads.facts()
            if facts.status in ENDED or facts.planned_end is not None:
                return outcome
            problem = not_planned_again(end, facts.period_start, subject.period_start)
            if problem is not None:
                return _not_planned(outcome, problem)
        ends = await self._effects.perform(
            END_AGAIN, "subscription.cancel_at_period_end", subject.subscription, end.planned_again
        )
        return _not_planned(outcome, ends.problem) if ends.outcome == "refused" else outcome

    async def _release(self, subject: PlanChangeSubject, schedule: str) -> bool:
        """Whether that was in time. One that has run its course refuses; what then holds is to be read."""
        released = await self._effects.perform("release", "schedule.release", schedule, {})
        # By Stripe's clock, as the period is.
        at = released.detail.get("released_at")
        return released.outcome == "done" and at is not None and at < subject.period_end


def _since_approved(subject: PlanChangeSubject, now: MadePhase, facts: SubscriptionFacts) -> tuple[str, ...]:
    return not_as_reviewed(subject, now) or not_as_approved(subject, facts)


async def _refusal(planning: Awaitable[Outcome | None]) -> Outcome | None:
    try:
        return await planning
    except TROUBLE as error:
        return Outcome(State.FAILED, EventCode.SCHEDULE_UNREADABLE, problem_of(error))


def _not_planned(outcome: Outcome, why: Problem | None) -> Outcome:
    problem = end_not_planned_problem(outcome.problem, why)
    return Outcome(State.FAILED, EventCode.GIVEN_UP, problem)


def _neither_comes(refusal: Outcome, subject: PlanChangeSubject) -> Outcome:
    return replace(refusal, problem=with_replaced(refusal.why, subject))


def _differs(names: Collection[str]) -> Outcome:
    return Outcome(State.FAILED, EventCode.SCHEDULE_DIFFERS, schedule_problem(names))
