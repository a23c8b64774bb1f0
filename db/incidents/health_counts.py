"""How calls to the components went, as all processes together have counted."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.incidents.health import Bucket

from ..tables import HealthCount

KEPT_FOR = timedelta(days=2)
"""Longer than any policy's window."""


async def since(session: AsyncSession, component: str, at: datetime) -> list[Bucket]:
    """The component's buckets that begin at a moment or later."""
    found = await session.exec(
        select(HealthCount)
        .where(HealthCount.component == component, col(HealthCount.bucket) >= at)
        .order_by(col(HealthCount.bucket))
    )
    return [
        Bucket(at=row.bucket, **row.model_dump(include={"ok", "faults", "first_fault_at", "codes"}))
        for row in found
    ]


async def prune(session: AsyncSession, now: datetime) -> None:
    """Forget what nothing is decided by any more."""
    await session.exec(delete(HealthCount).where(col(HealthCount.bucket) < now - KEPT_FOR))
