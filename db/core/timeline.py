"""The append-only, hash-chained history of an operation."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    bindparam,
    func,
    null,
    or_,
    union_all,
)
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.operations import CUSTOMER, SYSTEM
from billing.evidence.document import people_in_event, record_hash
from billing.evidence.records import Record
from billing.evidence.timeline import GENESIS, event_hash

from ..tables import Operation, Organization, Person, TimelineEvent, new_id
from . import event_inserts, pending
from .clock import utc_now
from .postgres.late_begin import LAST, is_unbegun
from .record_hashes import operations_left, recorded, written, wrote
from .statements import is_sqlite

_OF_OPERATION = col(TimelineEvent.operation_id) == bindparam("operation")

# Made once: every step asks it, and building the statement costs more than carrying it out.
_LOOK: CompoundSelect[Any] = union_all(
    select(col(Person.id), col(Person.name), col(Person.roles), null().label("seq")).where(
        col(Person.id).in_(bindparam("people", expanding=True)),
        col(Person.organization_id)
        == select(Operation.organization_id)
        .where(col(Operation.id) == bindparam("operation"))
        .scalar_subquery(),
    ),
    select(col(TimelineEvent.key), col(TimelineEvent.hash), null(), col(TimelineEvent.seq)).where(
        _OF_OPERATION,
        or_(
            col(TimelineEvent.key).in_(bindparam("keys", expanding=True)),
            col(TimelineEvent.seq)
            == select(func.max(TimelineEvent.seq)).where(_OF_OPERATION).scalar_subquery(),
        ),
    ),
)
"""The people who are to be named; the last event of a timeline, and those that have one of the keys."""

_UNWRITTEN = "unwritten_events"
_HEADS = "timeline_heads"
_PEOPLE = "people_to_name"
_HELD = "held_heads"

Records = dict[str, Record]
Names = dict[str, dict[str, Any]]
Seen = tuple[Names, "Head", set[str]]


@dataclass(frozen=True)
class NewEvent:
    """An event that is not on a timeline yet."""

    key: str
    event: EventCode
    actor: str
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)
    names: Names = field(default_factory=dict)
    """Of others than people."""


class Head(NamedTuple):
    """The last event of a timeline, as another statement has seen it; of a new one there is none."""

    seq: int = 0
    hash: str = GENESIS


class Overtaken(Exception):
    """What was read without a lock may have changed since, or needs one; nothing is written."""


def hold(session: AsyncSession) -> None:
    """From now on nothing of an operation is locked before the last statement, which writes only where the
    timeline still ends as when the operation was first read: whoever changes what is its adds an event."""
    session.info[_HELD] = {}


def holds(session: AsyncSession) -> bool:
    """Whether it was told to."""
    return _HELD in session.info


def head_of(operation_id: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Columns for a statement that reads something of an operation, for `learn_head`."""
    last = (
        select(TimelineEvent)
        .where(col(TimelineEvent.operation_id) == operation_id)
        .order_by(col(TimelineEvent.seq).desc())
        .limit(1)
    )
    columns = (col(TimelineEvent.seq), col(TimelineEvent.hash))
    seq, hash_ = (last.with_only_columns(one).scalar_subquery() for one in columns)
    return seq, hash_


def learn_head(session: AsyncSession, operation_id: str, seq: int | None, hash_: str | None) -> None:
    """The last event is known: what follows it needs no look, unless another one has come by then."""
    head = Head() if seq is None or hash_ is None else Head(seq, hash_)
    session.info.setdefault(_HEADS, {})[operation_id] = head
    if holds(session):
        session.info[_HELD].setdefault(operation_id, head)


def learn_person(session: AsyncSession, person: str, name: str | None, roles: list[str] | None) -> None:
    """Likewise, of somebody whom events may name."""
    if name is not None and roles is not None:
        session.info.setdefault(_PEOPLE, {})[person] = {"name": name, "roles": list(roles)}


async def begin(session: AsyncSession, operation: Operation, *events: NewEvent) -> None:
    """The first events of an operation that this very transaction has created. The first one carries the hash
    of the operation, and of everything else that was written with it.
    """
    wrote(session, operation.id, operation)
    organization = await session.get_one(Organization, operation.organization_id)
    names = {organization.id: {"name": organization.name}}
    for new in events:
        await _append(session, operation.id, replace(new, names=names))


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

    It is written as the transaction ends, together with all others of it: `write`. It carries the hash of
    every record that this transaction has written for the operation until now, since the event before.
    """
    await _append(session, operation_id, NewEvent(key, event, actor, at, dict(detail or {})))


async def _append(session: AsyncSession, operation_id: str, new: NewEvent) -> None:
    await session.flush()  # a record is hashed as it is stored
    _add(session, operation_id, new)


def _add(session: AsyncSession, operation_id: str, new: NewEvent) -> None:
    unwritten = session.info.setdefault(_UNWRITTEN, {}).setdefault(operation_id, [])
    unwritten.append(_Unwritten(new, written(session, operation_id)))
    recorded(session, operation_id)


async def write(session: AsyncSession) -> None:
    """At a transaction's end: its events, and one for whatever it has written that no event tells of, so that
    no record changes behind the chain's back. In one order, so that two never wait for each other.

    `seq` starts at 1 and has no gaps; each event carries the hash of the one before it. Of two transactions
    that do so at the same moment one waits for the other to end and then follows it.
    """
    await session.flush()  # what is added only now is no transaction of its own, after the last statement
    for operation_id in operations_left(session):
        _add(session, operation_id, _records_written(written(session, operation_id)))
    *others, last = sorted(session.info.get(_UNWRITTEN, ())) or [None]
    for operation_id in others:
        await _write(session, operation_id)
    if last is None or not await _write(session, last, last=True):
        await _send_pending(session)


async def _send_pending(session: AsyncSession) -> None:
    """What is written beside events, where there are none: nothing comes after it."""
    await session.flush()
    if writes := pending.taken(session):
        statement = pending.together(*(write.build for write in writes))
        connection = await session.connection()
        await connection.execute(statement, pending.parameters(writes), execution_options=LAST)


@dataclass(frozen=True)
class _Unwritten:
    """An event that this transaction has appended, and the records that it has written until then."""

    event: NewEvent
    records: Records

    def people(self) -> set[str]:
        """All whom it names."""
        named = set(people_in_event(self.event.actor, dict(self.event.detail)))
        for record in self.records.values():
            named |= {person for person in record.people() if person is not None}
        return named - {SYSTEM, CUSTOMER}


async def _write(session: AsyncSession, operation_id: str, *, last: bool = False) -> bool:
    """Whether there was anything to write. What else waits to be written goes with it; as the transaction's
    `last` statement it is a transaction by itself where none was begun."""
    new: list[_Unwritten] = session.info.get(_UNWRITTEN, {}).pop(operation_id, [])
    if not new:
        return False
    asked = {
        "operation": operation_id,
        "people": sorted({person for one in new for person in one.people()}),
        "keys": [one.event.key for one in new],
    }
    connection = await session.connection()
    known = _known(session, operation_id, asked["people"])
    held: Head | None = session.info[_HELD].get(operation_id) if holds(session) else None
    if holds(session) and not (held and last):
        raise Overtaken
    while True:
        people, head, told = known or _seen((await connection.execute(_LOOK, asked)).all())
        known = None
        if held is not None and (told or held.seq != head.seq):
            raise Overtaken
        rows = _chained(operation_id, head, _untold(new, told), people)
        if not rows:
            return False
        given = {f"{name}_{n}": value for n, row in enumerate(rows) for name, value in row.items()}
        alone = last and is_unbegun(connection)
        writes = pending.taken(session)
        builds = [write.build for write in writes]
        if is_sqlite(session):
            insert = event_inserts.on_sqlite(len(rows))
        elif held is not None:
            insert = event_inserts.held(len(rows), *builds)
        else:
            insert = event_inserts.insert(len(rows), alone, *builds)
        given |= pending.parameters(writes)
        try:
            stored = await connection.execute(insert, given, execution_options=LAST if last else None)
        except IntegrityError as error:
            if held is not None and pending.is_taken(error):
                raise Overtaken from error
            if not alone or not pending.is_taken(error, TimelineEvent):
                raise
            pending.put_back(session, writes)
            continue
        if stored.first() is not None:
            return True
        if held is not None:
            raise Overtaken
        # Another transaction took this place meanwhile: its event is there to be seen now.


def _known(session: AsyncSession, operation_id: str, people: Collection[str]) -> Seen | None:
    """What a look would find, where this transaction has read all of it before. What is told already is not
    known then: it is in the way of what is written, as an event that has come meanwhile."""
    head: Head | None = session.info.get(_HEADS, {}).pop(operation_id, None)
    if head is None or is_sqlite(session):
        return None
    names: Names = session.info.get(_PEOPLE, {})
    return (names, head, set()) if names.keys() >= set(people) else None


def _seen(found: Sequence[Any]) -> Seen:
    """What `_LOOK` has found: people, the last event's `seq` and hash, and the keys of those there are."""
    people = {id_: {"name": name, "roles": list(roles)} for id_, name, roles, seq in found if seq is None}
    events = [(seq, hash_, key) for key, hash_, _, seq in found if seq is not None]
    seq, hash_, _ = max(events, default=(*Head(), ""))
    return people, Head(seq, hash_), {key for _, _, key in events}


def _untold(new: Sequence[_Unwritten], told: Collection[str]) -> Iterator[_Unwritten]:
    """What is not on the timeline yet; the records of an event that is there go with the next one."""
    keys, carried = set(told), Records()
    for one in new:
        carried |= one.records
        if one.event.key not in keys:
            keys.add(one.event.key)
            yield _Unwritten(one.event, carried)
            carried = Records()
    if carried:
        yield _Unwritten(_records_written(carried), carried)


def _records_written(records: Records) -> NewEvent:
    parts = sorted({name.partition("/")[0] for name in records})
    return NewEvent(new_id("recorded"), EventCode.RECORDS_WRITTEN, SYSTEM, utc_now(), {"parts": parts})


def _chained(operation_id: str, head: Head, new: Iterable[_Unwritten], people: Names) -> list[dict[str, Any]]:
    """The rows of events that follow a timeline's last one, by their columns."""
    seq, prev_hash = head
    rows = []
    for one in new:
        seq += 1
        named = {person: people[person] for person in sorted(one.people() & people.keys())}
        row = _following(operation_id, seq, prev_hash, one.event, named | one.event.names, one.records)
        prev_hash = row.hash
        rows.append(row.model_dump())
    return rows


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


async def find(session: AsyncSession, operation_id: str, key: str) -> TimelineEvent | None:
    """The event of an operation that was appended with the key."""
    await _write(session, operation_id)
    found = await session.exec(
        select(TimelineEvent).where(TimelineEvent.operation_id == operation_id, TimelineEvent.key == key)
    )
    return found.one_or_none()


async def of_several(
    session: AsyncSession, operation_ids: Collection[str], events: Collection[EventCode]
) -> list[TimelineEvent]:
    """The events of these codes of several operations, each operation's the oldest first."""
    if not operation_ids:
        return []
    found = await session.exec(
        select(TimelineEvent)
        .where(col(TimelineEvent.operation_id).in_(operation_ids), col(TimelineEvent.code).in_(events))
        .order_by(col(TimelineEvent.operation_id), col(TimelineEvent.seq))
    )
    return list(found)


async def read(session: AsyncSession, operation_id: str) -> list[TimelineEvent]:
    """The events of an operation, the oldest first."""
    await _write(session, operation_id)
    events = await session.exec(
        select(TimelineEvent)
        .where(TimelineEvent.operation_id == operation_id)
        .order_by(col(TimelineEvent.seq))
    )
    return list(events)
