"""Everything that the records know of one operation, as of one moment."""

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.hashing import exact
from billing.evidence.binding import places_in
from billing.evidence.document import PARTS, Evidence
from billing.evidence.records import Record
from billing.evidence.timeline import GENESIS, Event

from ..core import timeline
from ..core.record_hashes import operation_record, record_of
from ..tables import (
    Approval,
    CommentRow,
    Commitment,
    Decision,
    Delegation,
    Intent,
    Mail,
    NoteRow,
    Notice,
    Operation,
    TimelineEvent,
)

Row = TypeVar("Row", bound=SQLModel)


async def read(session: AsyncSession, operation: Operation) -> Evidence:
    """All of it; `session` is a snapshot, or what was added in between would seem to be missing."""
    operation_id = operation.id
    events = [_event(row) for row in await timeline.read(session, operation_id)]
    rounds = await _all(session, Approval, Approval.operation_id == operation_id)
    decided = col(Decision.approval_id).in_([row.id for row in rounds])
    rows: list[SQLModel] = [
        *rounds,
        *await _all(session, Decision, decided),
        *await _all(session, Delegation, col(Delegation.id).in_(_used(events, "delegations"))),
        *await _all(session, Commitment, Commitment.operation_id == operation_id),
        *await _all(session, Intent, Intent.operation_id == operation_id),
        *await _all(session, NoteRow, NoteRow.operation_id == operation_id),
        *await _all(session, CommentRow, CommentRow.operation_id == operation_id),
        *await _all(session, Notice, Notice.operation_id == operation_id),
        *await _all(session, Mail, Mail.operation_id == operation_id),
    ]
    return Evidence(
        operation=operation_record(operation),
        policy=exact(operation.policy),
        timeline=events,
        head=events[-1].hash if events else GENESIS,
        **_parts(map(record_of, rows), events),
    )


def _parts(records: Iterable[Record], events: list[Event]) -> dict[str, Any]:
    """Each in the order in which the timeline came to have it, and last what it does not have."""
    places = places_in(events)
    never = (len(events) + 1, "")
    parts: dict[str, list[Record]] = {part: [] for part in PARTS}
    for record in sorted(records, key=lambda one: (places.get(one.record_name, never), one.record_name)):
        parts[record.part].append(record)
    return parts


def _used(events: list[Event], part: str) -> list[str]:
    """What the timeline has of rows that belong to no operation alone."""
    return [name.partition("/")[2] for name in places_in(events) if name.startswith(f"{part}/")]


def _event(row: TimelineEvent) -> Event:
    return Event.model_validate(row.model_dump(include=set(Event.model_fields)))


async def _all(session: AsyncSession, table: type[Row], condition: Any) -> list[Row]:
    return list(await session.exec(select(table).where(condition)))
