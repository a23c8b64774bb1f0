"""Notices: what Finance must acknowledge."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Integer, bindparam, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pages import PagedRows, order
from ..core.pending import reads, store_later
from ..core.record_hashes import wrote
from ..tables import Notice, Operation

OPEN, ESCALATED, ACKNOWLEDGED, SUPERSEDED = "open", "escalated", "acknowledged", "superseded"
WAITING = (OPEN, ESCALATED)
NoticeSort = Literal["operation", "-operation", "created_at", "-created_at", "deadline", "-deadline"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "operation": (col(Notice.id),),  # made of the operation's, which are in the order in which they were made
    "created_at": (col(Notice.created_at), col(Notice.id)),
    "deadline": (col(Notice.deadline), col(Notice.id)),
}


async def create(session: AsyncSession, notice: Notice) -> None:
    """Store a notice that is not there yet: whoever writes one has locked its operation, and looked."""
    await store_later(session, notice)
    wrote(session, notice.operation_id, notice)


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
        .execution_options(populate_existing=True, **reads(Notice))
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


_LATE = (
    select(Notice.id)
    .where(Notice.state == OPEN, col(Notice.deadline) <= bindparam("now"))
    .order_by(col(Notice.deadline), col(Notice.id))
    .limit(bindparam("at_most", type_=Integer))
)


async def late(session: AsyncSession, at: datetime, limit: int) -> list[str]:
    """The ids of those that nobody has acknowledged in time and the controller does not know of yet; the
    longest overdue first."""
    return list(await session.exec(_LATE, params={"now": at, "at_most": limit}))


async def escalate(session: AsyncSession, notice_ids: Collection[str]) -> list[Notice]:
    """Note that nobody acknowledged these in time. Returns those that waited until now: one whose operation
    another transaction is just changing is left for later.

    Their operations are locked, as whoever changes a notice does first.
    """
    theirs = select(Notice.operation_id).where(col(Notice.id).in_(notice_ids))
    free = await session.exec(
        select(Operation.id)
        .where(col(Operation.id).in_(theirs))
        .order_by(col(Operation.id))
        .with_for_update(key_share=True, skip_locked=True)
    )
    changed = await session.exec(
        update(Notice)
        .where(
            col(Notice.id).in_(notice_ids),
            col(Notice.operation_id).in_(free.all()),
            col(Notice.state) == OPEN,
        )
        .values(state=ESCALATED)
        .returning(Notice)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return _written(session, changed.scalars())


async def acknowledge(session: AsyncSession, notice_id: str, *, person_id: str, at: datetime) -> Notice:
    """Note who acknowledged it; the first to do so stays, and so does what has superseded it. Returns the
    notice as it then is."""
    changed = await session.exec(
        update(Notice)
        .where(col(Notice.id) == notice_id, col(Notice.state).in_(WAITING))
        .values(state=ACKNOWLEDGED, acknowledged_by=person_id, acknowledged_at=at)
        .returning(Notice)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if written := _written(session, changed.scalars()):
        return written[0]
    notice = await session.get(Notice, notice_id, populate_existing=True)
    if notice is None:
        raise LookupError(f"no notice {notice_id}")
    return notice


async def acknowledged_by(session: AsyncSession, operation_id: str, person_id: str) -> bool:
    """Whether this person acknowledged a notice of the operation."""
    found = await session.exec(
        select(Notice.id).where(Notice.operation_id == operation_id, Notice.acknowledged_by == person_id)
    )
    return found.first() is not None


async def supersede(
    session: AsyncSession, found: Collection[Notice], *, because: str, by: str | None, at: datetime
) -> list[Notice]:
    """Nobody has to acknowledge these any more, for the notice `by` replaces them or they came to nothing.
    They were read under their operation's lock.

    Returns those that waited until now.
    """
    waiting = [notice for notice in found if notice.state in WAITING]
    for notice in waiting:
        notice.state, notice.superseded_at = SUPERSEDED, at
        notice.superseded_because, notice.superseded_by = because, by
        await store_later(session, notice)
    return _written(session, waiting)


def _written(session: AsyncSession, changed: Iterable[Notice]) -> list[Notice]:
    found = sorted(changed, key=lambda notice: notice.id)
    for notice in found:
        wrote(session, notice.operation_id, notice)
    return found
