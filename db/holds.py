"""Holds: stories that wait for a degraded component, the longest waiting first."""

from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from .tables import Hold


async def open_holds(session: AsyncSession, component: str, limit: int) -> list[Hold]:
    """Those that are not released, the oldest first."""
    found = await session.exec(
        select(Hold)
        .where(Hold.component == component, col(Hold.released_at).is_(None))
        .order_by(col(Hold.held_at), col(Hold.id))
        .limit(limit)
    )
    return list(found)


async def count(session: AsyncSession, component: str, organization: str | None = None) -> int:
    """How many wait, of one organization or of all."""
    wanted = select(func.count()).where(Hold.component == component, col(Hold.released_at).is_(None))
    if organization is not None:
        wanted = wanted.where(Hold.organization_id == organization)
    return (await session.exec(wanted)).one()


async def release(session: AsyncSession, hold_id: str, at: datetime) -> None:
    """The story may go on; a hold that is released stays as it is."""
    await session.exec(
        update(Hold)
        .where(col(Hold.id) == hold_id, col(Hold.released_at).is_(None))
        .values(released_at=at)
        .execution_options(synchronize_session=False)
    )
