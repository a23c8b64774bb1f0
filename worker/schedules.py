"""What runs by the clock, as a list. An operator's pause and note survive a restart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from workflows.client import summaries
from workflows.core import ids


@dataclass(frozen=True)
class TimedWorkflow:
    """A workflow that is started every `every`, unless its last run still goes on: for `longest` at most, so
    that one that hangs does not keep the next ones from starting for good.

    Starts that were missed are caught up with only within `catch_up`: unset, Temporal takes a year. `jitter`
    is how much later than on the stroke a run may start, so that not all begin at the same moment.
    """

    id: str
    workflow: str
    every: timedelta
    catch_up: timedelta
    longest: timedelta
    jitter: timedelta


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

SCHEDULES: Sequence[TimedWorkflow] = (
    TimedWorkflow("reconcile", ids.RECONCILE, HOUR, 15 * MINUTE, 12 * HOUR, MINUTE),
    TimedWorkflow("reminder-sweep", ids.REMINDER_SWEEP, 15 * MINUTE, 15 * MINUTE, 2 * HOUR, MINUTE),
)
"""After a run that was cut off the next one goes on: with what is due of reminders, a reconciliation with
what is new since the last one, and where the rolling comparison of everything stood."""


async def ensure(client: Client, schedules: Sequence[TimedWorkflow] = SCHEDULES) -> None:
    """Creates every schedule, or brings an existing one up to date."""
    for timed in schedules:
        schedule = _schedule(timed)
        try:
            await client.create_schedule(timed.id, schedule)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(timed.id).update(_keeping_state(schedule))


def _keeping_state(schedule: Schedule):  # type: ignore[no-untyped-def]
    def change(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
        """Nothing where nothing is new: with an update Temporal takes the state that was read before it, and
        so back the pause that somebody has asked for at the same moment."""
        there = found.description.schedule
        if _rules(there) == _rules(schedule):
            return None
        schedule.state = there.state
        return ScheduleUpdate(schedule=schedule)

    return change


def _rules(schedule: Schedule) -> tuple[object, ...]:
    """What of it a release may change."""
    action = schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    starts = (action.workflow, action.task_queue, action.execution_timeout)
    return (*starts, list(schedule.spec.intervals), schedule.spec.jitter, schedule.policy)


def _schedule(timed: TimedWorkflow) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            timed.workflow,
            id=timed.id,
            task_queue=ids.MAIN_QUEUE,
            execution_timeout=timed.longest,
            static_summary=summaries.of_start(timed.workflow, None),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timed.every)], jitter=timed.jitter),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timed.catch_up),
    )
