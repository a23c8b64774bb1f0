"""The append-only, hash-chained story of an operation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.timeline import GENESIS, event_hash

from . import operations
from .tables import TimelineEvent


async def append(
    session: AsyncSession,
    operation_id: str,
    *,
    key: str,
    event: str,
    actor: str,
    at: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add the next event to an operation's timeline, once for each `key` however often it is called.

    `seq` starts at 1 and has no gaps; each event carries the hash of the one before it. Appends to one
    operation wait for each other until the end of the transaction.
    """
    await operations.lock(session, operation_id)
    mine = col(TimelineEvent.operation_id) == operation_id
    known = select(TimelineEvent.seq).where(mine, TimelineEvent.key == key).exists()
    head = (
        await session.exec(
            select(TimelineEvent.seq, TimelineEvent.hash, known)
            .where(mine)
            .order_by(col(TimelineEvent.seq).desc())
            .limit(1)
        )
    ).first()
    last, prev_hash, repeated = head or (0, GENESIS, False)
    if repeated:
        return
    seq, story = last + 1, dict(detail or {})
    session.add(
        TimelineEvent(
            operation_id=operation_id,
            seq=seq,
            key=key,
            at=at,
            actor=actor,
            event=event,
            detail=story,
            prev_hash=prev_hash,
            hash=event_hash(operation_id, seq, at, actor, event, story, prev_hash),
        )
    )
    await session.flush()


async def read(session: AsyncSession, operation_id: str) -> list[TimelineEvent]:
    """The events of an operation, the oldest first."""
    events = await session.exec(
        select(TimelineEvent)
        .where(TimelineEvent.operation_id == operation_id)
        .order_by(col(TimelineEvent.seq))
    )
    return list(events)
