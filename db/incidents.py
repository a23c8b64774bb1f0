"""Incidents: degraded states of one component."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from .tables import Incident


async def is_open(session: AsyncSession, component: str) -> bool:
    """Whether the component is known to be degraded: stripe, portal, mail or database."""
    found = await session.exec(
        select(Incident.id).where(Incident.component == component, col(Incident.cleared_at).is_(None))
    )
    return found.first() is not None
