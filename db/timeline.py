"""The append-only, hash-chained story of an operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert
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


_INSERT = insert(TimelineEvent)


@dataclass(frozen=True)
class NewEvent:
    """An event that is not on a timeline yet."""

    key: str
    event: str
    actor: str
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


async def begin(session: AsyncSession, operation_id: str, *events: NewEvent) -> None:
    """The first events of an operation that this very transaction has created, in one statement.

    Nobody else can add to its timeline yet, so there is no head to look for.
    """
    prev_hash = GENESIS
    rows = []
    for seq, new in enumerate(events, start=1):
        row = _following(operation_id, seq, prev_hash, new)
        prev_hash = row.hash
        rows.append(row.model_dump())
    await session.flush()  # the operation itself may not be written yet
    connection = await session.connection()
    await connection.execute(_INSERT, rows)


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
    new = NewEvent(key, event, actor, at, detail or {})
    while True:
        last, prev_hash, repeated = await _head(session, operation_id, key)
        if repeated:
            return
        if await insert_if_new(session, _following(operation_id, last + 1, prev_hash, new)):
            return
        # Another transaction took this place meanwhile: its event is there to be seen now.


def _following(operation_id: str, seq: int, prev_hash: str, new: NewEvent) -> TimelineEvent:
    story = dict(new.detail)
    return TimelineEvent(
        operation_id=operation_id,
        seq=seq,
        key=new.key,
        at=new.at,
        actor=new.actor,
        event=new.event,
        detail=story,
        prev_hash=prev_hash,
        hash=event_hash(operation_id, seq, new.at, new.actor, new.event, story, prev_hash),
    )


async def _head(session: AsyncSession, operation_id: str, key: str) -> tuple[int, str, bool]:
    """The last `seq` and hash, and whether there is an event with the key."""
    head = await session.exec(_HEAD, params={"operation": operation_id, "key": key})
    return head.first() or (0, GENESIS, False)


async def find(session: AsyncSession, operation_id: str, key: str) -> TimelineEvent | None:
    """The event of an operation that was appended with the key."""
    found = await session.exec(
        select(TimelineEvent).where(TimelineEvent.operation_id == operation_id, TimelineEvent.key == key)
    )
    return found.one_or_none()


async def read(session: AsyncSession, operation_id: str) -> list[TimelineEvent]:
    """The events of an operation, the oldest first."""
    events = await session.exec(
        select(TimelineEvent)
        .where(TimelineEvent.operation_id == operation_id)
        .order_by(col(TimelineEvent.seq))
    )
    return list(events)
