"""Notices: what Finance must acknowledge."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from .pages import DEFAULT_LIMIT, Page, read_page
from .record_hashes import wrote
from .statements import insert_if_new
from .tables import Notice

OPEN, ESCALATED, ACKNOWLEDGED = "open", "escalated", "acknowledged"


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


async def page(
    session: AsyncSession,
    organization_id: str,
    *,
    state: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[Notice]:
    """An organization's notices, those of the newest operations first.

    Raises InvalidRequest `invalid_cursor`.
    """
    wanted = select(Notice).where(Notice.organization_id == organization_id)
    if state:
        wanted = wanted.where(Notice.state == state)
    return await read_page(session, wanted, col(Notice.id), limit=limit, cursor=cursor)


async def escalate(session: AsyncSession, notice_id: str) -> Notice:
    """Note that nobody acknowledged it in time. An acknowledged notice stays as it is."""
    return await _change(session, notice_id, col(Notice.state) == OPEN, state=ESCALATED)


async def acknowledge(session: AsyncSession, notice_id: str, *, person_id: str, at: datetime) -> Notice:
    """Note who acknowledged it; the first to do so stays. Returns the notice as it then is."""
    return await _change(
        session,
        notice_id,
        col(Notice.state) != ACKNOWLEDGED,
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
