"""Whose next invoice is to be read again: something of the organization's own subscription has changed.

However much has, one reading is enough. Whoever claims it reads it; if that worker dies, another one does.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..tables import Organization

CLAIM = timedelta(seconds=90)
"""Longer than reading it may take."""

AFTER = timedelta(seconds=1)
"""How long it is left for more to change, which one reading then shows as well."""


class ClaimedRenewal(NamedTuple):
    organization: Organization
    until: datetime
    """What tells this claim from others: whoever sees a change meanwhile makes it due again."""


async def changed(session: AsyncSession, organization_id: str, at: datetime) -> None:
    """What the organization will be billed next may be another now."""
    await session.exec(
        update(Organization)
        .where(col(Organization.id) == organization_id)
        .values(renewal_due_at=at + AFTER)
        .execution_options(synchronize_session=False)
    )


async def anything_due(session: AsyncSession, at: datetime) -> bool:
    """Whether `claim` would find something."""
    return (await session.exec(select(Organization.id).where(_due(at)).limit(1))).first() is not None


async def claim(session: AsyncSession, at: datetime, limit: int) -> list[ClaimedRenewal]:
    """At most so many that are due, the longest first: nobody else gets them. Commit before reading."""
    claimed = (
        select(Organization.id)
        .where(_due(at))
        .order_by(col(Organization.renewal_due_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("claimed")
    )
    rows = await session.exec(
        update(Organization)
        .where(col(Organization.id).in_(select(claimed.c.id)))
        .values(renewal_due_at=at + CLAIM)
        .returning(Organization)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return [ClaimedRenewal(one, at + CLAIM) for one in rows.scalars()]


async def settle(session: AsyncSession, claimed: ClaimedRenewal, again_at: datetime | None = None) -> None:
    """It was read, or can't be; `again_at` is when it is tried again. What has changed since stays due."""
    await session.exec(
        update(Organization)
        .where(
            col(Organization.id) == claimed.organization.id,
            col(Organization.renewal_due_at) == claimed.until,
        )
        .values(renewal_due_at=again_at)
        .execution_options(synchronize_session=False)
    )


def _due(at: datetime) -> ColumnElement[bool]:
    return col(Organization.renewal_due_at) <= at
