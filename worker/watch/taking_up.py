"""After the records were restored from a backup: what was under way then goes on, from where they say that it
stands.

Temporal may be as it was at that moment, before it, after it, or empty. Where its workflows stand is not to
be trusted, so each begins anew; and Stripe may have done what the records don't know of, so each effect is
looked for before it is sent (`activities.effects.perform`).
"""

import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import col, select
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from billing.core.events import EventCode
from billing.core.operations import SYSTEM, Kind, State
from db.core import timeline
from db.core.session import Database
from db.operations import operations, outbox
from db.tables import Operation, Outbox
from workflows.core import ids

from .broken_off import described
from .restarts import Over, another_run, as_noted, goes_on

log = logging.getLogger(__name__)

WITHIN = timedelta(seconds=10)
AT_A_TIME = 500
STILL_GOING = timedelta(days=14)
"""Longer than anybody tries to send a note or a mail."""
FROM_THE_RECORDS = (*ids.OPERATION_WORKFLOWS.values(), ids.NOTE, ids.CUSTOMER_MAIL, ids.INCIDENT)
"""Workflow types that are started anew by what the records say."""


class TakenUp(NamedTuple):
    """How much goes on, and how much is over that the records don't know."""

    operations: int
    others: int
    terminated: int


async def take_up(database: Database, temporal: Client, *, by: str, because: str, at: datetime) -> TakenUp:
    """Ends whatever of ours runs in Temporal, and starts what the records say goes on. May be done again.

    No worker and no API may run meanwhile. Raises what the records and Temporal raise.
    """
    terminated = await _terminate(temporal, f"the records were restored: {because}")
    going = [one async for one in _operations(database, at)]
    detail = {"operator": by, "because": because}
    for operation in going:
        async with database.transaction() as session:
            await operations.restored(session, operation.id, at)
            await timeline.append(
                session,
                operation.id,
                key=f"restored:{at.isoformat()}",
                event=EventCode.RECORDS_RESTORED,
                actor=SYSTEM,
                at=at,
                detail=detail,
            )
            run = await another_run(session, operation)
        await run.start(temporal)
    others = [one async for one in _others(database, at)]
    started = 0
    for start in others:
        found = await described(temporal.get_workflow_handle(start.workflow_id))
        if found is None or found.status is WorkflowExecutionStatus.TERMINATED:
            await as_noted(start).start(temporal)
            started += 1
    return TakenUp(len(going), started, terminated)


async def _terminate(temporal: Client, why: str) -> int:
    """Even those whose rows are older than the backup: what they would write has no place any more."""
    types = ", ".join(f"'{name}'" for name in FROM_THE_RECORDS)
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ({types})"
    ended = 0
    async for one in temporal.list_workflows(query, rpc_timeout=WITHIN):
        handle = temporal.get_workflow_handle(one.id, run_id=one.run_id)
        try:
            await handle.terminate(why, rpc_timeout=WITHIN)
            ended += 1
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
    return ended


async def _operations(database: Database, at: datetime) -> AsyncIterator[Operation]:
    """Those that are open, and the refunds that are watched still, in order of their ids."""
    after = ""
    while True:
        async with database.reading() as session:
            found = await session.exec(
                select(Operation)
                .where(
                    col(Operation.id) > after,
                    col(Operation.closed_at).is_(None)
                    | ((Operation.kind == Kind.REFUND.value) & (Operation.state == State.COMPLETED.value)),
                )
                .order_by(col(Operation.id))
                .limit(AT_A_TIME)
            )
            page = list(found)
        for operation in page:
            over = Over(operation.workflow_id, None, WorkflowExecutionStatus.TERMINATED)
            if goes_on(operation, over, at):
                yield operation
        if len(page) < AT_A_TIME:
            return
        after = page[-1].id


async def _others(database: Database, at: datetime) -> AsyncIterator[Outbox]:
    """What else Temporal had been told to start, and may not have come to its end."""
    after = ""
    while True:
        async with database.reading() as session:
            found = await session.exec(
                select(Outbox)
                .where(
                    col(Outbox.id) > after,
                    Outbox.action == outbox.START,
                    Outbox.state == outbox.DELIVERED,
                    col(Outbox.name).in_((ids.NOTE, ids.CUSTOMER_MAIL)),
                    Outbox.created_at > at - STILL_GOING,
                )
                .order_by(col(Outbox.id))
                .limit(AT_A_TIME)
            )
            page = list(found)
        for start in page:
            yield start
        if len(page) < AT_A_TIME:
            return
        after = page[-1].id
