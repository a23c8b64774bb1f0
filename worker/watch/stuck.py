"""What does not go on, as an operator is told of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from db.core.session import Database
from db.stripe import budget
from db.tables import Hold, Operation
from workflows.client.running import OVER

from .reaper import STUCK_AFTER

PAGE = 200
AT_A_TIME = 8
WITHIN = timedelta(seconds=10)


@dataclass(frozen=True)
class StuckRow:
    """An open row whose workflow does not go on."""

    id: str
    what: str
    at: str
    since: datetime
    why: str


@dataclass(frozen=True)
class _Open:
    id: str
    workflow: str
    what: str
    at: str
    since: datetime


async def stuck(database: Database, temporal: Client) -> AsyncIterator[StuckRow]:
    """Open operations whose workflow is over, unknown or failing, and holds nobody has let go."""
    places = asyncio.Semaphore(AT_A_TIME)

    async def look(row: _Open) -> StuckRow | None:
        async with places:
            why = await _why(temporal, row.workflow)
        return StuckRow(row.id, row.what, row.at, row.since, why) if why else None

    async for rows in _open_rows(database):
        for found in await asyncio.gather(*map(look, rows)):
            if found is not None:
                yield found
    async with database.reading() as session:
        closed = await budget.is_closed(session)
        held = list(await session.exec(select(Hold).where(col(Hold.released_at).is_(None))))
    for hold in held:
        why = (
            "held: requests to Stripe are blocked"
            if closed
            else "held, although requests to Stripe are allowed"
        )
        yield StuckRow(hold.operation_id, "hold", hold.id, hold.held_at, why)


async def _why(temporal: Client, workflow: str) -> str:
    try:
        found = await temporal.get_workflow_handle(workflow).describe(rpc_timeout=WITHIN)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return "its workflow does not exist in Temporal"
        raise
    if found.status in OVER:
        assert found.status is not None
        return f"its workflow has ended ({found.status.name.lower()})"
    attempt = found.raw_description.pending_workflow_task.attempt
    return f"every task of its workflow fails ({attempt} attempts)" if attempt >= STUCK_AFTER else ""


async def _open_rows(database: Database) -> AsyncIterator[list[_Open]]:
    after = ""
    while True:
        async with database.reading() as session:
            found = await session.exec(
                select(Operation)
                .where(col(Operation.id) > after, col(Operation.closed_at).is_(None))
                .order_by(col(Operation.id))
                .limit(PAGE)
            )
            rows = [
                _Open(one.id, one.workflow_id, one.kind, f"{one.state}/{one.stage}", one.updated_at)
                for one in found
            ]
        yield rows
        if len(rows) < PAGE:
            return
        after = rows[-1].id
