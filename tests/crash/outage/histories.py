"""What the histories say of an outage: how many events it cost each operation, and would in an hour."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from workflows.core import ids

WORKFLOWS = (ids.REFUND, ids.CREDIT, ids.PLAN_CHANGE, ids.CASE)
SWEEPS = (ids.EVENT_CATCH_UP, ids.RECONCILE, ids.REMINDER_SWEEP)
"""Runs by schedule, which have a time to be over in: the next one does what was left."""
MAX_AN_HOUR = 10
ASKING = 6
"""What an operation adds once when it asks the records that are away, as `workflows.core.recorded` does: the
timer that fires, the task that asks (scheduled, started, completed), the local activity's marker, and the
activity that waits. The tries of that one are in no history."""
ENDED_RIGHT = (
    WorkflowExecutionStatus.RUNNING,
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.CONTINUED_AS_NEW,
)


@dataclass(frozen=True)
class Cost:
    """Of one workflow."""

    workflow: str
    kind: str
    before: int
    """Events until the database went."""
    added: int
    """Events while it was away."""
    waiting: bool
    """Whether it was waiting for the records when the database came back, or was over by then."""

    @property
    def an_hour(self) -> int:
        """What an hour's outage costs it: one that waits adds nothing more, any other asks once and waits."""
        return self.added + (0 if self.waiting else ASKING)


async def costs(client: Client, gone: datetime, back: datetime) -> list[Cost]:
    """Of each operation's workflow that was open when the database went; by the times of their events."""
    wanted = " OR ".join(f"WorkflowType = '{kind}'" for kind in WORKFLOWS)
    room = asyncio.Semaphore(16)

    async def cost(one: WorkflowExecution) -> Cost:
        async with room:
            handle = client.get_workflow_handle(one.id, run_id=one.run_id)
            events = [event async for event in handle.fetch_history_events()]
        return _cost(one, events, gone, back)

    found = [one async for one in client.list_workflows(wanted)]
    open_ = [
        one for one in found if one.start_time <= back and (one.close_time is None or one.close_time >= gone)
    ]
    return list(await asyncio.gather(*map(cost, open_)))


def _cost(one: WorkflowExecution, events: Sequence[HistoryEvent], gone: datetime, back: datetime) -> Cost:
    times = [(event, event.event_time.ToDatetime(tzinfo=gone.tzinfo)) for event in events]
    until = [event for event, time in times if time < back]
    over = one.close_time is not None and one.close_time < back
    before = sum(time < gone for _, time in times)
    return Cost(one.id, one.workflow_type, before, len(until) - before, over or _waits(until))


def _waits(events: Sequence[HistoryEvent]) -> bool:
    """Whether it waits for the records, in an activity."""
    open_: set[int] = set()
    for event in events:
        asked = event.activity_task_scheduled_event_attributes.activity_type.name
        if asked:
            open_.add(event.event_id)
        for end in ("completed", "failed", "timed_out", "canceled"):
            open_.discard(getattr(event, f"activity_task_{end}_event_attributes").scheduled_event_id)
    return bool(open_)


async def ended_wrong(client: Client) -> list[str]:
    """What was terminated, failed, cancelled or timed out, of everything but `SWEEPS`."""
    return [
        f"{one.id} {one.workflow_type} {one.status and one.status.name}"
        async for one in client.list_workflows()
        if one.status not in ENDED_RIGHT and one.workflow_type not in SWEEPS
    ]


def told(costs: Sequence[Cost]) -> str:
    """A line a kind: how many of its workflows added how many events."""
    lines = ["workflows, by the events that were added while it was away:"]
    for kind in sorted({one.kind for one in costs}):
        these = [one for one in costs if one.kind == kind]
        spread = dict(sorted(Counter(one.added for one in these).items()))
        waiting, most = sum(one.waiting for one in these), max(one.an_hour for one in these)
        lines.append(f"  {kind}: {spread}, {waiting} of {len(these)} waiting; at most {most} in an hour")
    return "\n".join(lines)
