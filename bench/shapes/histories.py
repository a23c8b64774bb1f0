"""The shape and the cost of workflows, read from their histories."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.filter.v1 import StartTimeFilter
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    ListClosedWorkflowExecutionsRequest,
    ListOpenWorkflowExecutionsRequest,
)
from temporalio.client import Client

from workflows.core import ids

from .shape import Command, Moment, Shape

ACTIONS = {
    "WORKFLOW_EXECUTION_STARTED",
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
    "TIMER_STARTED",
    "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
    "WORKFLOW_EXECUTION_SIGNALED",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
}
"""Events that are one action each, as Temporal bills them (Temporal Cloud, "Actions"): a child is two, the
wish and its start. Each attempt of an activity is one, too, and so are a workflow task's local ones."""


class Cost(BaseModel):
    """What it is for Temporal, over a workflow and its children, or over several."""

    actions: int = 0
    events: int = 0
    workflow_tasks: int = 0
    bytes: int = Field(default=0, description="of all histories together")

    @classmethod
    def together(cls, costs: Iterable[Self]) -> Self:
        """Of all of them."""
        several = list(costs)
        return cls(**{name: sum(getattr(one, name) for one in several) for name in cls.model_fields})


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
            cost = Cost.together([cost, its])
    reading = Reading(events[0].workflow_execution_started_event_attributes.workflow_type.name, children)
    for event in events:
        reading.take(event)
    return reading.shape(), cost


async def begun_since(temporal: Client, moment: datetime) -> dict[str, Cost]:
    """The cost of every run that has begun since, by what it is called: events' and mails', too."""
    costs: dict[str, list[Cost]] = {}
    for called, execution in await _runs(temporal, moment):
        handle = temporal.get_workflow_handle(execution.workflow_id, run_id=execution.run_id)
        cost = _cost([event async for event in handle.fetch_history_events()])
        costs.setdefault(called, []).append(cost)
    return {called: Cost.together(each) for called, each in costs.items()}


async def _runs(temporal: Client, moment: datetime) -> list[tuple[str, WorkflowExecution]]:
    """Listed as the time-skipping server can, too."""
    since = StartTimeFilter()
    since.earliest_time.FromDatetime(moment)
    going = ListOpenWorkflowExecutionsRequest(namespace=temporal.namespace, start_time_filter=since)
    ended = ListClosedWorkflowExecutionsRequest(namespace=temporal.namespace, start_time_filter=since)
    found = [
        *(await temporal.workflow_service.list_open_workflow_executions(going)).executions,
        *(await temporal.workflow_service.list_closed_workflow_executions(ended)).executions,
    ]
    # Who looks while one ends may see it twice.
    by_run = {one.execution.run_id: (one.type.name, one.execution) for one in found}
    return list(by_run.values())


def _cost(events: list[HistoryEvent]) -> Cost:
    found = Counter(name(event) for event in events)
    tasks_with_locals = {
        event.marker_recorded_event_attributes.workflow_task_completed_event_id
        for event in events
        if name(event) == "MARKER_RECORDED"
    }
    attempts = sum(
        event.activity_task_started_event_attributes.attempt
        for event in events
        if name(event) == "ACTIVITY_TASK_STARTED"
    )
    return Cost(
        actions=sum(found[event] for event in ACTIONS) + attempts + len(tasks_with_locals),
        events=len(events),
        workflow_tasks=found["WORKFLOW_TASK_COMPLETED"],
        bytes=sum(event.ByteSize() for event in events),
    )
