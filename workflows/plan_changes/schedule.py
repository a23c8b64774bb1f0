"""A plan change at the end of the period: scheduled in Stripe, waited for, verified at the renewal."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.notices import NoticeKind
    from billing.core.operations import State
    from billing.core.standing import Standing
    from billing.plan_changes.report import (
        schedule_gone_problem,
        schedule_problem,
        subscription_ended_problem,
    )
    from billing.plan_changes.stripe_params import schedule_params
    from billing.plan_changes.subject import Subject
    from billing.stripe.effects import Performed

from ..core.operation import TROUBLE, Ended, Story, problem_of
from .outcome import PlanChangeOutcome
from .reads import PlanChangeReads
from .review import dump
from .waits import PlanChangeWaits


class PlanChangeSchedule:
    def __init__(
        self, story: Story, reads: PlanChangeReads, waits: PlanChangeWaits, outcome: PlanChangeOutcome
    ) -> None:
        self._story, self._reads, self._waits, self._outcome = story, reads, waits, outcome

    async def carried_out(self, subject: Subject, standing: Standing) -> Ended:
        """Schedules it, or takes up the schedule of an earlier run, and sees it through."""
        if "scheduled" not in standing.keys:
            schedule = await self._planned(subject)
        else:
            created = await self._create(subject)
            assert created.stripe_id is not None, "it was scheduled"
            schedule = created.stripe_id
        if standing.version("release") or standing.last("mismatch"):
            return await self._over(subject, schedule, None)
        await self._tell_scheduled(subject, schedule)
        return await self._over(subject, schedule, await self._until_changed(subject, schedule))

    # --- Planning -------------------------------------------------------------------------------------

    async def _planned(self, subject: Subject) -> str:
        """Plans the change in Stripe; what can't be planned as approved, or read back, is taken back."""
        await self._story.tell(
            "applying",
            EventCode.SCHEDULING,
            state=State.RUNNING,
            stage="applying",
            allowed_actions=(),
        )
        created = await self._create(subject)
        if created.outcome == "refused" or created.stripe_id is None:
            raise Ended(State.FAILED, EventCode.REFUSED_BY_STRIPE, created.problem)
        try:
            refusal = await self._plan(subject, created)
        except TROUBLE as error:
            refusal = Ended(State.FAILED, EventCode.SCHEDULE_UNREADABLE, problem_of(error))
        if refusal is not None:
            if await self._release(subject, created.stripe_id):
                self._story.in_doubt = False
            raise refusal
        return created.stripe_id

    async def _create(self, subject: Subject) -> Performed:
        return await self._story.perform("schedule", "schedule.create", subject.subscription, {})

    async def _plan(self, subject: Subject, created: Performed) -> Ended | None:
        """Why the schedule does not say what was approved; None when it does."""
        assert created.stripe_id is not None
        phases = schedule_params(subject, created.detail["phase_start"], created.detail["phase_end"])
        planned = await self._story.perform("phases", "schedule.update", created.stripe_id, phases)
        if planned.outcome == "refused":
            return Ended(State.FAILED, EventCode.REFUSED_BY_STRIPE, planned.problem)
        if not await self._reads.planned(subject, created.stripe_id):
            return Ended(State.FAILED, EventCode.SCHEDULE_DIFFERS, schedule_problem())
        return None

    async def _tell_scheduled(self, subject: Subject, schedule: str) -> None:
        self._waits.cancelling(possible=True)
        report: dict[str, Any] = {
            "schedule": schedule,
            "effective_at": subject.period_end,
            "verified": True,
        }
        await self._story.tell(
            "scheduled",
            EventCode.SCHEDULED,
            state=State.RUNNING,
            stage="scheduled",
            result=report,
            allowed_actions=("cancel",),
            detail=report,
        )
        shown = dump(subject) | {"result": report}
        await self._story.flag_finance(NoticeKind.PLAN_CHANGE_SCHEDULED, shown)
        await self._story.mail_requester("scheduled", "plan_change_scheduled", {"subject": shown})

    # --- Waiting --------------------------------------------------------------------------------------

    async def _until_changed(self, subject: Subject, schedule: str) -> Ended | None:
        """Waits for the change or a cancellation: None. Otherwise why it will never happen by itself."""
        try:
            while self._waits.cancelled is None:
                match await self._reads.standing(subject, schedule):
                    case "changed":
                        return None
                    case "gone":
                        event, problem = EventCode.SCHEDULE_REMOVED, schedule_gone_problem()
                        return Ended(State.FAILED, event, problem)
                    case "ended":
                        event = EventCode.SUBSCRIPTION_CANCELLED
                        return Ended(State.FAILED, event, subscription_ended_problem())
                await self._waits.for_period_end(subject)
        except TROUBLE as error:
            return Ended(State.FAILED, EventCode.GIVEN_UP, problem_of(error))
        return None

    async def _over(self, subject: Subject, schedule: str, never: Ended | None) -> Ended:
        """Done, taken back, or given up; `never` says why it will not happen by itself.

        A schedule that stayed would be in the way of the next change, and could happen later after all.
        """
        self._waits.no_more_cancelling()
        in_time = await self._release(subject, schedule)
        try:
            changed = await self._reads.has_changed(subject)
        except TROUBLE as error:
            problem = problem_of(error)
            if not in_time:
                return await self._outcome.unclear(problem)
            changed = False
        if changed:
            return await self._outcome.verified()
        self._story.in_doubt = False
        return never or Ended.cancelled(self._waits.cancelled)

    async def _release(self, subject: Subject, schedule: str) -> bool:
        """Whether that was in time. One that has run its course refuses; what then holds is to be read."""
        released = await self._story.perform("release", "schedule.release", schedule, {})
        # By Stripe's clock, as the period is.
        at = released.detail.get("released_at")
        return released.outcome == "done" and at is not None and at < subject.period_end
