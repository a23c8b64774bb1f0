"""Delivers what the outbox holds: the API right after its commit, the sweep whatever is left."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from billing.delivery import Delivery
from billing.operations import Problem

from . import approvals, outbox
from .session import Database
from .tables import Outbox

Send = Callable[[Outbox], Awaitable[Delivery]]


async def deliver(database: Database, send: Send, row: Outbox, now: datetime) -> Delivery:
    """Sends one row and settles it. What can't be known to have arrived is tried again later."""
    delivery = await send(row)
    async with database.transaction() as session:
        if delivery.outcome == "delivered":
            await outbox.settle_delivered(session, row.id, at=now)
        elif delivery.outcome == "refused":
            problem = delivery.problem or Problem(code="refused", message="It was refused.")
            await outbox.settle_refused(session, row.id, at=now, error=f"{problem.code}: {problem.message}")
            if row.name == "decide":
                await approvals.settle_refused(session, row.update_id, refusal=problem.model_dump(), at=now)
        else:
            reason = delivery.problem.code if delivery.problem else "unknown"
            await outbox.postpone(session, row, at=now, error=reason)
    return delivery


async def deliver_due(database: Database, send: Send, now: Callable[[], datetime], limit: int) -> int:
    """Claims what is due and delivers it; returns how many were claimed.

    A delivery that breaks does not break the others: its error is raised after them, its claim runs out.
    """
    async with database.transaction() as session:
        rows = await outbox.due(session, now(), limit)
    deliveries = (deliver(database, send, row, now()) for row in rows)
    for outcome in await asyncio.gather(*deliveries, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    return len(rows)
