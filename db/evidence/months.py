"""What of an organization's operations a month has: for Finance to file."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, or_, tuple_
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pages import PagedRows
from ..tables import HeadRow, Intent, Operation, TimelineEvent


class MonthSpan(NamedTuple):
    """From `start` until before `end`, of one organization."""

    organization: str
    start: datetime
    end: datetime


def operations(span: MonthSpan, *, newest_first: bool = False) -> PagedRows[Operation]:
    """Those that were requested or ended in it."""
    rows = select(Operation).where(
        col(Operation.organization_id) == span.organization,
        or_(_within(col(Operation.created_at), span), _within(col(Operation.closed_at), span)),
    )
    return PagedRows(rows, (col(Operation.id),), descending=newest_first)


def gone_on(span: MonthSpan, numbers: tuple[int, int] | None) -> PagedRows[Operation]:
    """Those that were requested or ended in it, and those that the roots with these numbers stand for."""
    conditions = [_within(col(Operation.created_at), span), _within(col(Operation.closed_at), span)]
    if numbers is not None:
        sealed = select(HeadRow.operation_id).where(
            HeadRow.organization_id == span.organization, col(HeadRow.number).between(*numbers)
        )
        conditions.append(col(Operation.id).in_(sealed))
    rows = select(Operation).where(col(Operation.organization_id) == span.organization, or_(*conditions))
    return PagedRows(rows, (col(Operation.id),))


def intents(span: MonthSpan, *, newest_first: bool = False) -> PagedRows[Intent]:
    """Those that were opened or closed in it."""
    rows = select(Intent).where(
        col(Intent.organization_id) == span.organization,
        or_(_within(col(Intent.created_at), span), _within(col(Intent.closed_at), span)),
    )
    return PagedRows(rows, (col(Intent.created_at), col(Intent.idempotency_key)), descending=newest_first)


async def last_events(session: AsyncSession, operation_ids: Collection[str]) -> dict[str, TimelineEvent]:
    """The last event of each operation: its hash is the head of the operation's evidence."""
    last = (
        select(TimelineEvent.operation_id, func.max(TimelineEvent.seq))
        .where(col(TimelineEvent.operation_id).in_(operation_ids))
        .group_by(col(TimelineEvent.operation_id))
    )
    events = await session.exec(
        select(TimelineEvent).where(tuple_(col(TimelineEvent.operation_id), col(TimelineEvent.seq)).in_(last))
    )
    return {event.operation_id: event for event in events}


def _within(column: Any, span: MonthSpan) -> Any:
    return and_(column >= span.start, column < span.end)
