"""The append-only, hash-chained story of an operation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.timeline import GENESIS, event_hash

from .statements import insert_if_new
from .tables import TimelineEvent

_OURS = col(TimelineEvent.operation_id) == bindparam("operation")

# Made once: every step asks it, and building the statement costs more than carrying it out.
_HEAD = (
    select(
        TimelineEvent.seq,
        TimelineEvent.hash,
        select(TimelineEvent.seq).where(_OURS, col(TimelineEvent.key) == bindparam("key")).exists(),
    )
    .where(_OURS)
    .order_by(col(TimelineEvent.seq).desc())
    .limit(1)
)


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

    `seq` starts at 1 and has no gaps; each event carries the hash of the one before it. Of two appends at
    the same moment one waits for the other's transaction to end and then follows it.
    """
    story = dict(detail or {})
    while True:
        last, prev_hash, repeated = await _head(session, operation_id, key)
        if repeated:
            return
        seq = last + 1
        following = TimelineEvent(
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
        if await insert_if_new(session, following):
            return
        # Another transaction took this place meanwhile: its event is there to be seen now.


async def _head(session: AsyncSession, operation_id: str, key: str) -> tuple[int, str, bool]:
    """The last `seq` and hash, and whether there is an event with the key."""
    head = await session.exec(_HEAD, params={"operation": operation_id, "key": key})
    return head.first() or (0, GENESIS, False)


async def read(session: AsyncSession, operation_id: str) -> list[TimelineEvent]:
    """The events of an operation, the oldest first."""
    events = await session.exec(
        select(TimelineEvent)
        .where(TimelineEvent.operation_id == operation_id)
        .order_by(col(TimelineEvent.seq))
    )
    return list(events)
