"""Whose next invoice is to be read again: something of the organization's own subscription has changed.

However much has, one reading is enough. Whoever claims it reads it; if that worker dies, another one does.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Integer, bindparam, update
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


_DUE = col(Organization.renewal_due_at) <= bindparam("now")
# Every worker asks this each second: built once, which costs as much as to run it.
_ANYTHING_DUE = select(Organization.id).where(_DUE).limit(1)
_CLAIMED = (
    select(Organization.id)
    .where(_DUE)
    .order_by(col(Organization.renewal_due_at))
    .limit(bindparam("at_most", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("claimed")
)
_CLAIM = (
    update(Organization)
    .where(col(Organization.id).in_(select(_CLAIMED.c.id)))
    .values(renewal_due_at=bindparam("until"))
    .returning(Organization)
    .execution_options(populate_existing=True, synchronize_session=False)
)


async def anything_due(session: AsyncSession, at: datetime) -> bool:
    """Whether `claim` would find something."""
    return (await session.exec(_ANYTHING_DUE, params={"now": at})).first() is not None


async def claim(session: AsyncSession, at: datetime, limit: int) -> list[ClaimedRenewal]:
    """At most so many that are due, the longest first: nobody else gets them. Commit before reading."""
    which = {"now": at, "at_most": limit, "until": at + CLAIM}
    rows = await session.exec(_CLAIM, params=which)
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
