"""The append-only, hash-chained history of an operation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.operations import CUSTOMER, SYSTEM
from billing.evidence.document import people_in_event, record_hash
from billing.evidence.records import Record
from billing.evidence.timeline import GENESIS, event_hash

from ..tables import Operation, Organization, Person, TimelineEvent, new_id
from .clock import utc_now
from .record_hashes import operations_left, recorded, written, wrote
from .statements import insert_if_new

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

_PEOPLE = (
    select(Person.id, Person.name, Person.roles)
    .where(
        col(Person.id).in_(bindparam("people", expanding=True)),
        col(Person.organization_id)
        == select(Operation.organization_id)
        .where(col(Operation.id) == bindparam("operation"))
        .scalar_subquery(),
    )
    .order_by(col(Person.id))
)

_INSERT = insert(TimelineEvent)

Names = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class NewEvent:
    """An event that is not on a timeline yet."""

    key: str
    event: EventCode
    actor: str
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


async def begin(session: AsyncSession, operation: Operation, *events: NewEvent) -> None:
    """The first events of an operation that this very transaction has created, in one statement.

    Nobody else can add to its timeline yet, so there is no head to look for. The first one carries the hash
    of the operation, and of everything else that was written with it.
    """
    wrote(session, operation.id, operation)
    await session.flush()  # the operation itself may not be written yet
    records = written(session, operation.id)
    names = await _names(session, operation.id, events, records)
    organization = await session.get_one(Organization, operation.organization_id)
    names[organization.id] = {"name": organization.name}
    prev_hash = GENESIS
    rows = []
    for seq, new in enumerate(events, start=1):
        row = _following(operation.id, seq, prev_hash, new, names, records if seq == 1 else {})
        prev_hash = row.hash
        rows.append(row.model_dump())
    connection = await session.connection()
    await connection.execute(_INSERT, rows)
    recorded(session, operation.id)


async def append(
    session: AsyncSession,
    operation_id: str,
    *,
    key: str,
    event: EventCode,
    actor: str,
    at: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add the next event to an operation's timeline, once for each `key` however often it is called.

    `seq` starts at 1 and has no gaps; each event carries the hash of the one before it, and of every record
    that this transaction has written for the operation since its last event. Of two appends at the same
    moment one waits for the other's transaction to end and then follows it.
    """
    new = NewEvent(key, event, actor, at, detail or {})
    last, prev_hash, repeated = await _head(session, operation_id, key)
    if repeated:
        return
    await session.flush()  # a record is hashed as it is stored
    records = written(session, operation_id)
    names = await _names(session, operation_id, [new], records)
    while not repeated:
        if await insert_if_new(session, _following(operation_id, last + 1, prev_hash, new, names, records)):
            recorded(session, operation_id)
            return
        # Another transaction took this place meanwhile: its event is there to be seen now.
        last, prev_hash, repeated = await _head(session, operation_id, key)


async def record_rest(session: AsyncSession) -> None:
    """At a transaction's end: an event for whatever it has written that no event tells of, so that no record
    changes behind the chain's back. In one order, so that two never wait for each other.
    """
    for operation_id in sorted(operations_left(session)):
        await session.flush()
        parts = {name.partition("/")[0] for name in written(session, operation_id)}
        await append(
            session,
            operation_id,
            key=new_id("recorded"),
            event=EventCode.RECORDS_WRITTEN,
            actor=SYSTEM,
            at=utc_now(),
            detail={"parts": sorted(parts)},
        )


def _following(
    operation_id: str,
    seq: int,
    prev_hash: str,
    new: NewEvent,
    names: Names,
    records: Mapping[str, Record],
) -> TimelineEvent:
    detail = dict(new.detail)
    hashes = {name: record_hash(record) for name, record in sorted(records.items())}
    return TimelineEvent(
        operation_id=operation_id,
        seq=seq,
        key=new.key,
        at=new.at,
        actor=new.actor,
        code=new.event.value,
        detail=detail,
        names=names,
        records=hashes,
        prev_hash=prev_hash,
        hash=event_hash(
            operation_id,
            seq,
            new.at,
            new.actor,
            new.event.value,
            detail,
            prev_hash,
            names=names,
            records=hashes,
        ),
    )


async def _names(
    session: AsyncSession, operation_id: str, events: Iterable[NewEvent], records: Mapping[str, Record]
) -> Names:
    """Who the people are whom the events and records name, as they are at this moment."""
    people: set[str] = set()
    for new in events:
        people |= people_in_event(new.actor, dict(new.detail))
    for record in records.values():
        people |= {person for person in record.people() if person is not None}
    person_ids = people - {SYSTEM, CUSTOMER}
    if not person_ids:
        return {}
    found = await session.exec(_PEOPLE, params={"people": sorted(person_ids), "operation": operation_id})
    return {id_: {"name": name, "roles": list(roles)} for id_, name, roles in found}


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
