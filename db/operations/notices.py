"""Notices: what Finance must acknowledge."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pages import PagedRows, order
from ..core.record_hashes import wrote
from ..core.statements import insert_if_new
from ..tables import Notice

OPEN, ESCALATED, ACKNOWLEDGED, SUPERSEDED = "open", "escalated", "acknowledged", "superseded"
WAITING = (OPEN, ESCALATED)
NoticeSort = Literal["operation", "-operation", "created_at", "-created_at", "deadline", "-deadline"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "operation": (col(Notice.id),),  # made of the operation's, which are in the order in which they were made
    "created_at": (col(Notice.created_at), col(Notice.id)),
    "deadline": (col(Notice.deadline), col(Notice.id)),
}


async def create(session: AsyncSession, notice: Notice) -> Notice:
    """Store a notice, or return the one that has its id already."""
    created = await insert_if_new(session, notice)
    if created:
        wrote(session, created.operation_id, created)
        return created
    earlier = await session.exec(select(Notice).where(Notice.id == notice.id))
    return earlier.one()


async def get(session: AsyncSession, organization_id: str, notice_id: str) -> Notice | None:
    """The notice, if it is this organization's."""
    notice = await session.get(Notice, notice_id)
    return notice if notice and notice.organization_id == organization_id else None


async def lock(session: AsyncSession, notice_id: str) -> Notice:
    """The notice, which nobody else can change before this transaction ends."""
    found = await session.exec(
        select(Notice)
        .where(Notice.id == notice_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    notice = found.one_or_none()
    if notice is None:
        raise LookupError(f"no notice {notice_id}")
    return notice


async def of_operation(session: AsyncSession, operation_id: str) -> list[Notice]:
    """The notices of an operation, the earliest first, as they are now."""
    found = await session.exec(
        select(Notice)
        .where(Notice.operation_id == operation_id)
        .order_by(col(Notice.created_at), col(Notice.id))
        .execution_options(populate_existing=True)
    )
    return list(found)


def paged(
    organization_id: str,
    *,
    state: str | None = None,
    operation_id: str | None = None,
    sort: NoticeSort = "-operation",
) -> PagedRows[Notice]:
    """An organization's notices."""
    wanted = select(Notice).where(Notice.organization_id == organization_id)
    if state:
        wanted = wanted.where(Notice.state == state)
    if operation_id:
        wanted = wanted.where(Notice.operation_id == operation_id)
    return PagedRows(wanted, *order(_KEYS, sort))


async def count(session: AsyncSession, organization_id: str, states: Collection[str]) -> int:
    """How many notices of an organization are in one of these states."""
    found = await session.exec(
        select(func.count())
        .select_from(Notice)
        .where(Notice.organization_id == organization_id, col(Notice.state).in_(states))
    )
    return found.one()


async def escalate(session: AsyncSession, notice_id: str) -> Notice:
    """Note that nobody acknowledged it in time. One that does not wait any more stays as it is."""
    return await _change(session, notice_id, col(Notice.state) == OPEN, state=ESCALATED)


async def acknowledge(session: AsyncSession, notice_id: str, *, person_id: str, at: datetime) -> Notice:
    """Note who acknowledged it; the first to do so stays, and so does what has superseded it. Returns the
    notice as it then is."""
    return await _change(
        session,
        notice_id,
        col(Notice.state).in_(WAITING),
        state=ACKNOWLEDGED,
        acknowledged_by=person_id,
        acknowledged_at=at,
    )


async def acknowledged_by(session: AsyncSession, operation_id: str, person_id: str) -> bool:
    """Whether this person acknowledged a notice of the operation."""
    found = await session.exec(
        select(Notice.id).where(Notice.operation_id == operation_id, Notice.acknowledged_by == person_id)
    )
    return found.first() is not None


async def supersede(
    session: AsyncSession, notice_ids: Collection[str], *, because: str, by: str | None, at: datetime
) -> list[Notice]:
    """Nobody has to acknowledge these any more, for the notice `by` replaces them or they came to nothing.

    Returns those that waited until now.
    """
    changed = await session.exec(
        update(Notice)
        .where(col(Notice.id).in_(notice_ids), col(Notice.state).in_(WAITING))
        .values(state=SUPERSEDED, superseded_at=at, superseded_because=because, superseded_by=by)
        .returning(Notice)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    found = sorted(changed.scalars(), key=lambda notice: notice.id)
    for notice in found:
        wrote(session, notice.operation_id, notice)
    return found


async def _change(
    session: AsyncSession, notice_id: str, condition: ColumnElement[bool], **values: Any
) -> Notice:
    changed = await session.scalar(
        update(Notice)
        .where(col(Notice.id) == notice_id, condition)
        .values(**values)
        .returning(Notice)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if changed is not None:
        wrote(session, changed.operation_id, changed)
    notice = changed or await session.get(Notice, notice_id)
    if notice is None:
        raise LookupError(f"no notice {notice_id}")
    return notice
