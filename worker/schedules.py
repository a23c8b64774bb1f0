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

from workflows import ids


@dataclass(frozen=True)
class Timed:
    """A workflow that is started every `every`, unless its last run still goes on.

    Starts that were missed are caught up with only within `catch_up`: unset, Temporal takes a year.
    """

    id: str
    workflow: str
    every: timedelta
    catch_up: timedelta


SCHEDULES: Sequence[Timed] = (
    Timed("outbox-sweep", ids.OUTBOX_SWEEP, timedelta(seconds=5), timedelta(seconds=10)),
    Timed("event-catch-up", ids.EVENT_CATCH_UP, timedelta(minutes=1), timedelta(minutes=1)),
    Timed("reconcile", ids.RECONCILE, timedelta(minutes=15), timedelta(minutes=15)),
    Timed("reminder-sweep", ids.REMINDER_SWEEP, timedelta(minutes=15), timedelta(minutes=15)),
)


async def ensure(client: Client, schedules: Sequence[Timed] = SCHEDULES) -> None:
    """Creates every schedule, or brings an existing one up to date."""
    for timed in schedules:
        schedule = _schedule(timed)
        try:
            await client.create_schedule(timed.id, schedule)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(timed.id).update(_keeping_state(schedule))


def _keeping_state(schedule: Schedule):  # type: ignore[no-untyped-def]
    def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule.state = found.description.schedule.state
        return ScheduleUpdate(schedule=schedule)

    return change


def _schedule(timed: Timed) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(timed.workflow, id=timed.id, task_queue=ids.MAIN_QUEUE),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timed.every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timed.catch_up),
    )
