"""How an organization's operations stand, and whether anything moves of itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from sqlmodel import col, select
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from billing.core.operations import Kind
from db.tables import Approval, Operation, TimelineEvent

from ...support.house import House

AT_REST = frozenset(
    [
        "done",
        "changes_requested",
        "pending",
        "requires_action",
        "scheduled",
        "refund_failed",
        "mismatched",
        "note_owed",
    ]
)
"""Stages in which an operation has ended or waits; in review it waits while the approval is open."""

TOLD_BY_THE_API = frozenset(
    ["note_added", "revision_requested", "cancellation_requested", "resolution_requested"]
)

TASKS = frozenset(
    [
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    ]
)


class Standing(NamedTuple):
    """An operation with its timeline and its newest approval."""

    operation: Operation
    events: list[TimelineEvent]
    approval: Approval | None

    @property
    def open_review(self) -> bool:
        approval = self.approval
        return self.operation.stage == "review" and approval is not None and approval.state == "open"


class Operations:
    """Those of one organization."""

    def __init__(self, home: House, organization: str) -> None:
        self._home, self._organization = home, organization
        self.standing: list[Standing] = []
        """At the last rest, what somebody asked for, the newest operation first."""
        self.cases: list[Standing] = []
        """Likewise, what was noticed in Stripe."""
        self._told: dict[str, str] = {}
        self._workflows: list[str] = []
        self._ended: set[str] = set()
        self._idle: dict[str, int] = {}
        """How long the history of a running workflow was when it was doing nothing."""

    def told(self, operation: str, event: str) -> None:
        """It has taken what somebody told it, as the event says: it does not rest before it did something."""
        self._told[operation] = event

    async def rest(self) -> None:
        """Waits until every operation has ended, waits for a person, or waits for Stripe."""

        async def moving() -> list[str]:
            await self._look()
            await self._begin_cases()
            found = [why for one in (*self.standing, *self.cases) if (why := self._moving(one))]
            # What one of them is just doing would go on beside the next step; and the test server's time
            # stands still for good when a workflow ends while something of it is under way.
            return found or await self._busy(self._workflows)

        await until_nothing(moving, self._home.patience)

    async def _look(self) -> None:
        ours = self._organization
        async with self._home.database.reading() as session:
            operations = list(
                await session.exec(
                    select(Operation)
                    .where(Operation.organization_id == ours)
                    .order_by(col(Operation.id).desc())
                )
            )
            approvals = {
                one.id: one
                for one in await session.exec(select(Approval).where(Approval.organization_id == ours))
            }
            timelines: dict[str, list[TimelineEvent]] = {one.id: [] for one in operations}
            for event in await session.exec(
                select(TimelineEvent)
                .join(Operation)
                .where(Operation.organization_id == ours)
                .order_by(col(TimelineEvent.seq))
            ):
                # One that was made since they were read is looked at the next time.
                timelines.get(event.operation_id, []).append(event)
        standing = [
            Standing(one, timelines[one.id], approvals.get(one.approval_id or "")) for one in operations
        ]
        self.standing = [one for one in standing if one.operation.kind != Kind.CASE]
        self.cases = [one for one in standing if one.operation.kind == Kind.CASE]
        self._workflows = [
            *(one.workflow_id for one in operations),
        ]

    async def _begin_cases(self) -> None:
        """Whoever notices a case leaves its start in the outbox."""
        if any(one.operation.stage == "accepted" for one in self.cases):
            await self._home.swept()

    def _moving(self, one: Standing) -> str | None:
        operation = one.operation
        named = f"{operation.id} is {operation.state}/{operation.stage}"
        told = self._told.get(operation.id)
        if told is not None:
            asked_at = max(n for n, event in enumerate(one.events) if event.code == told)
            if all(event.code in TOLD_BY_THE_API for event in one.events[asked_at:]):
                return f"{named}: it was told and does nothing"
            del self._told[operation.id]
        return None if one.open_review or operation.stage in AT_REST else named

    async def end(self) -> None:
        """Stops what still runs, so that nobody pays for it later."""
        await self._look()
        await self._begin_cases()
        await until_nothing(lambda: self._busy(self._workflows), self._home.patience)
        for workflow in self._workflows:
            await self._terminate(workflow)

    async def _busy(self, workflows: Sequence[str]) -> list[str]:
        """Those of the workflows that are just doing something."""
        running = [workflow for workflow in workflows if workflow not in self._ended]
        return [workflow for workflow in running if await self._is_busy(workflow)]

    async def _is_busy(self, workflow: str) -> bool:
        handle = self._home.temporal.get_workflow_handle(workflow)
        found = await handle.describe()
        if found.status != WorkflowExecutionStatus.RUNNING:
            self._ended.add(workflow)
            return False
        if self._idle.get(workflow) == found.history_length:
            return False
        if found.raw_description.pending_activities:
            return True
        tasks = [event async for event in handle.fetch_history_events() if event.event_type in TASKS]
        if tasks[-1].event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return True
        self._idle[workflow] = found.history_length
        return False

    async def _terminate(self, workflow: str) -> None:
        try:
            await self._home.temporal.get_workflow_handle(workflow).terminate()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # it has ended by itself
                raise


async def until_nothing(looking: Callable[[], Awaitable[list[str]]], patience: float) -> None:
    """Looks again and again until there is nothing; fails with what there still is."""
    clock = asyncio.get_running_loop().time
    deadline, pause = clock() + patience, 0.01
    while found := await looking():
        assert clock() < deadline, found
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, 0.1)
