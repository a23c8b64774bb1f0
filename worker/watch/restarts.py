"""What becomes of a workflow that was ended from outside: its operation ends, or it runs again.

nothing sent to Stripe ── the operation ends, with its reason
lost by Temporal       ── the workflow runs again: nobody has ended it
something begun there  ── the workflow runs again, and takes it up (workflows/core/lifecycle.py)
what is no money       ── runs again, from its row
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowExecutionStatus

from activities.operations import abandonment
from billing.core.events import EventCode
from billing.core.operations import SYSTEM, Kind, State
from billing.operations.found_by import FoundBy
from billing.operations.kinds import ON_REQUEST
from billing.operations.standing import Abandon
from billing.policy.policy import Policy
from db.core import timeline
from db.core.session import Database
from db.operations import operations, outbox
from db.tables import Operation, Outbox
from db.tracing import trace
from workflows.client.start import start
from workflows.core import ids

log = logging.getLogger(__name__)

AT_ONCE = 3
"""How often a workflow is started again without a wait."""
MIN_WAIT, MAX_WAIT = timedelta(seconds=30), timedelta(hours=1)

Outcome = Literal["ended", "again", "later", "nothing"]


@dataclass(frozen=True)
class Over:
    """A workflow of which the latest run is over; None for one that Temporal does not know."""

    workflow: str
    run: str | None
    status: WorkflowExecutionStatus | None

    @property
    def cancelled(self) -> bool:
        return self.status is WorkflowExecutionStatus.CANCELED

    @property
    def how(self) -> str:
        return self.status.name.replace("_", " ").lower() if self.status is not None else "forgotten"


@dataclass(frozen=True)
class AnotherRun:
    """A workflow as it was started, for once more."""

    workflow: str
    name: str
    payload: Mapping[str, Any]
    found_by: FoundBy | None = None
    traceparent: str | None = None

    async def start(self, temporal: Client) -> None:
        """One that runs is left alone. Raises what the client raises."""
        with trace.continued(self.traceparent):
            await start(
                temporal,
                self.name,
                self.payload,
                workflow_id=self.workflow,
                within=timedelta(seconds=10),
                found_by=self.found_by,
                again=True,
            )


class Restarts:
    """Several workers may do the same at once: a row is ended once, and a workflow runs once."""

    def __init__(self, database: Database, temporal: Client) -> None:
        self._database, self._temporal = database, temporal

    async def see_to(self, over: Over, at: datetime) -> Outcome:
        """Ends or restarts what the workflow belonged to, where that is still open."""
        kind, _, key = over.workflow.partition("-")
        if kind == "operation":
            return await self._operation(over, key, at)
        if kind in ("note", "customer") and over.run is not None:
            return await self._start_of(over)
        return "nothing"

    async def _operation(self, over: Over, operation_id: str, at: datetime) -> Outcome:
        async with self._database.transaction() as session:
            operation = await operations.get_any(session, operation_id)
            if operation is None or not goes_on(operation, over, at):
                return "nothing"
            given = await outbox.start_of(session, operation.workflow_id)
            lost = over.run is None and given is not None and given.state == outbox.DELIVERED
            if operation.closed_at is None and operation.kind in ON_REQUEST and not lost:
                abandoned = await abandonment.abandon(session, _abandon(operation, over, at))
                if abandoned.outcome != "begun":
                    return "ended" if abandoned.outcome == "ended" else "nothing"
            if not await _may_again(session, operation_id, over, at):
                return "later"
            run = await another_run(session, operation)
        return await self._again(over, run)

    async def _start_of(self, over: Over) -> Outcome:
        """A note or a mail: what starts it is in the outbox, and what it has done it does not do again."""
        if over.status is WorkflowExecutionStatus.FAILED:
            return "nothing"  # by itself: the same again would fail again
        async with self._database.reading() as session:
            noted = await outbox.start_of(session, over.workflow)
        if noted is None:
            return "nothing"
        return await self._again(over, as_noted(noted))

    async def _again(self, over: Over, run: AnotherRun) -> Outcome:
        await run.start(self._temporal)
        log.warning("%s was %s: restarted", over.workflow, over.how)
        return "again"


def goes_on(operation: Operation, over: Over, at: datetime) -> bool:
    """Whether its workflow should be running: it is open, or it is a refund that is still watched."""
    if operation.closed_at is None:
        return True
    ended_by_itself = over.status in (None, WorkflowExecutionStatus.COMPLETED)
    if operation.kind != Kind.REFUND or operation.state != State.COMPLETED or ended_by_itself:
        return False
    rules = Policy.model_validate(operation.policy).refund
    return rules is not None and at - operation.closed_at < timedelta(days=rules.watch_days)


def _abandon(operation: Operation, over: Over, at: datetime) -> Abandon:
    cancelled = over.cancelled
    return Abandon(
        operation=operation.id,
        at=at,
        state=State.CANCELLED if cancelled else State.FAILED,
        code="workflow_cancelled" if cancelled else "workflow_ended",
        event=EventCode.WORKFLOW_CANCELLED if cancelled else EventCode.WORKFLOW_ENDED,
        message=f"Its workflow was {over.how} in Temporal before anything was sent to Stripe. "
        "Nothing was changed; request it again if it is still needed.",
    )


async def _may_again(session: AsyncSession, operation: str, over: Over, at: datetime) -> bool:
    """Notes that it runs again, once for each run that was ended; ever later where that happens often."""
    events = await timeline.read(session, operation)
    mine = [event for event in events if event.key.startswith(f"again:{over.workflow}:")]
    key = f"again:{over.workflow}:{over.run}"
    if any(event.key == key for event in mine):
        return True  # of an attempt that may not have come to its end
    if len(mine) >= AT_ONCE:
        wait = min(MIN_WAIT * 2 ** (len(mine) - AT_ONCE), MAX_WAIT)
        if at < mine[-1].at + wait:
            return False
    await timeline.append(
        session,
        operation,
        key=key,
        event=EventCode.WORKFLOW_RESTARTED,
        actor=SYSTEM,
        at=at,
        detail={"workflow": over.workflow, "run": over.run, "how": over.how},
    )
    return True


def as_noted(noted: Outbox, found_by: FoundBy | None = None) -> AnotherRun:
    """A run of the workflow that a row of the outbox starts."""
    return AnotherRun(noted.workflow_id, noted.name, noted.payload, found_by, noted.traceparent)


async def another_run(session: AsyncSession, operation: Operation) -> AnotherRun:
    """With what its workflow was started with; a run by schedule was started by another workflow."""
    found_by = await operations.found_by(session, operation)
    found_by = found_by.model_copy(update={"state": State(operation.state)})
    noted = await outbox.start_of(session, operation.workflow_id)
    if noted is not None:
        return as_noted(noted, found_by)
    assert operation.kind == Kind.REMINDER_RUN, "every other kind is started by the outbox"
    payload = {
        "organization": operation.organization_id,
        "operation": operation.id,
        "dry_run": bool(operation.request.get("dry_run")),
        "policy": operation.policy,
    }
    return AnotherRun(operation.workflow_id, ids.REMINDER_SWEEP, payload, found_by)
