"""The shape of a workflow: what it asked of Temporal and what it waited for, read from a history of it.

A baseline made from the shape stays honest when the workflow changes: nobody has to keep its counts by hand.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from workflows.core import ids

Kind = Literal["activity", "local", "timer", "child"]

ACTIONS = {
    "WORKFLOW_EXECUTION_STARTED",
    "ACTIVITY_TASK_STARTED",
    "TIMER_STARTED",
    "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
    "WORKFLOW_EXECUTION_SIGNALED",
}
"""Events that are one action each; local activities are one for each workflow task (Temporal, "Actions")."""


class Command(BaseModel):
    """One thing asked of Temporal. `name` is the activity's or the child workflow's type."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    name: str = ""
    stripe: bool = False
    """On the queue of calls to Stripe."""
    child: "Shape | None" = None


class Moment(BaseModel):
    """Commands of one workflow task, once everything in `after` has happened.

    `a3`: activity 3 is done, `s3`: child 3 has started, `c3`: it is done, `u`: a person has decided; the
    number is the command's, counted over the workflow. `timers` are cancelled then.
    """

    model_config = ConfigDict(frozen=True)

    after: tuple[str, ...]
    commands: tuple[Command, ...] = ()
    timers: tuple[int, ...] = ()


class Shape(BaseModel):
    """Everything that one workflow does, moment by moment; `ends` unless it outlives its parent."""

    model_config = ConfigDict(frozen=True)

    workflow: str
    moments: tuple[Moment, ...]
    ends: bool

    def counts(self) -> Counter[str]:
        """How many of each thing, children's included."""
        found: Counter[str] = Counter({"workflows": 1, "updates": self.decisions})
        for command in (command for moment in self.moments for command in moment.commands):
            match command.kind:
                case "activity":
                    found["Stripe activities" if command.stripe else "other activities"] += 1
                case "local":
                    found["local activities"] += 1
                case "timer":
                    found["timers"] += 1
                case "child":
                    assert command.child is not None
                    found += command.child.counts()
        return found

    @property
    def decisions(self) -> int:
        return sum("u" in moment.after for moment in self.moments)


class Cost(BaseModel):
    """What it is for Temporal, over a workflow and its children."""

    actions: int = 0
    events: int = 0
    workflow_tasks: int = 0
    bytes: int = Field(default=0, description="of all histories together")


class Reading:
    """Reads one history, event by event."""

    def __init__(self, workflow: str, children: Mapping[str, Shape]) -> None:
        self._workflow = workflow
        self._children = children
        self._moments: list[tuple[int, Moment]] = []
        self._happened: list[str] = []
        self._number: dict[int, int] = {}
        """Of the command that an event scheduled, by the event's id."""
        self._ends = False

    def take(self, event: HistoryEvent) -> None:
        match name(event):
            case "ACTIVITY_TASK_SCHEDULED":
                scheduled = event.activity_task_scheduled_event_attributes
                stripe = scheduled.task_queue.name.endswith(ids.STRIPE_QUEUE)  # the baselines have their own
                command = Command(kind="activity", name=scheduled.activity_type.name, stripe=stripe)
                self._command(event, scheduled.workflow_task_completed_event_id, command)
            case "ACTIVITY_TASK_COMPLETED":
                done = event.activity_task_completed_event_attributes
                self._happened.append(f"a{self._number[done.scheduled_event_id]}")
            case "MARKER_RECORDED":
                marker = event.marker_recorded_event_attributes
                if marker.marker_name == "core_local_activity":
                    self._command(event, marker.workflow_task_completed_event_id, Command(kind="local"))
            case "TIMER_STARTED":
                timer = event.timer_started_event_attributes
                self._command(event, timer.workflow_task_completed_event_id, Command(kind="timer"))
            case "TIMER_CANCELED":
                cancelled = event.timer_canceled_event_attributes
                at, moment = self._moment(cancelled.workflow_task_completed_event_id)
                timers = (*moment.timers, self._number[cancelled.started_event_id])
                self._moments[at] = (self._moments[at][0], moment.model_copy(update={"timers": timers}))
            case "START_CHILD_WORKFLOW_EXECUTION_INITIATED":
                child = event.start_child_workflow_execution_initiated_event_attributes
                command = Command(
                    kind="child", name=child.workflow_type.name, child=self._children[child.workflow_id]
                )
                self._command(event, child.workflow_task_completed_event_id, command)
            case "CHILD_WORKFLOW_EXECUTION_STARTED":
                started = event.child_workflow_execution_started_event_attributes
                self._happened.append(f"s{self._number[started.initiated_event_id]}")
            case "CHILD_WORKFLOW_EXECUTION_COMPLETED":
                ended = event.child_workflow_execution_completed_event_attributes
                self._happened.append(f"c{self._number[ended.initiated_event_id]}")
            case "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
                # What else happened before a decision, nobody waited for: mails, for one.
                self._happened = ["u"]
            case "WORKFLOW_EXECUTION_COMPLETED":
                completed = event.workflow_execution_completed_event_attributes
                self._moment(completed.workflow_task_completed_event_id)
                self._ends = True

    def shape(self) -> Shape:
        return Shape(
            workflow=self._workflow, moments=tuple(moment for _, moment in self._moments), ends=self._ends
        )

    def _command(self, event: HistoryEvent, task: int, command: Command) -> None:
        self._number[event.event_id] = len(self._number)
        at, moment = self._moment(task)
        commands = (*moment.commands, command)
        self._moments[at] = (task, moment.model_copy(update={"commands": commands}))

    def _moment(self, task: int) -> tuple[int, Moment]:
        """The moment of a workflow task, by the id of the event that completed it."""
        if not self._moments or self._moments[-1][0] != task:
            self._moments.append((task, Moment(after=tuple(self._happened))))
            self._happened = []
        return len(self._moments) - 1, self._moments[-1][1]


def name(event: HistoryEvent) -> str:
    """Of the event's type, without the prefix that all have."""
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")


async def read(temporal: Client, workflow_id: str) -> tuple[Shape, Cost]:
    """The shape and the cost of a workflow and its children, from their histories so far."""
    events = [event async for event in temporal.get_workflow_handle(workflow_id).fetch_history_events()]
    cost = _cost(events)
    children: dict[str, Shape] = {}
    for event in events:
        if name(event) == "CHILD_WORKFLOW_EXECUTION_STARTED":
            child = event.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id
            children[child], its = await read(temporal, child)
            cost = Cost(**{n: getattr(cost, n) + getattr(its, n) for n in Cost.model_fields})
    reading = Reading(events[0].workflow_execution_started_event_attributes.workflow_type.name, children)
    for event in events:
        reading.take(event)
    return reading.shape(), cost


def _cost(events: list[HistoryEvent]) -> Cost:
    found = Counter(name(event) for event in events)
    tasks_with_locals = {
        event.marker_recorded_event_attributes.workflow_task_completed_event_id
        for event in events
        if name(event) == "MARKER_RECORDED"
    }
    return Cost(
        actions=sum(found[event] for event in ACTIONS) + len(tasks_with_locals),
        events=len(events),
        workflow_tasks=found["WORKFLOW_TASK_COMPLETED"],
        bytes=sum(event.ByteSize() for event in events),
    )
