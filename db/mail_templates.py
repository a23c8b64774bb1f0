"""Organizations' own words for mails to their customers, by kind of mail and language."""

from collections.abc import Sequence

from sqlalchemy import delete as delete_from
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from .portal_networks import lock
from .tables import MailTemplate

MOST = 50
"""How many an organization may have: a list shows all of them."""


async def of_organization(session: AsyncSession, organization_id: str) -> Sequence[MailTemplate]:
    """All of an organization's, by kind of mail and language."""
    found = await session.exec(
        select(MailTemplate)
        .where(MailTemplate.organization_id == organization_id)
        .order_by(col(MailTemplate.name), col(MailTemplate.language))
    )
    return found.all()


async def languages(session: AsyncSession, organization_id: str) -> set[str]:
    """The tags in which the organization has words of its own."""
    found = await session.exec(
        select(MailTemplate.language).where(MailTemplate.organization_id == organization_id).distinct()
    )
    return set(found)


async def put(session: AsyncSession, row: MailTemplate) -> bool:
    """Keep these words instead of those that were there, if any. False: there are `MOST` others already."""
    await lock(session, row.organization_id)
    others = select(func.count()).where(
        MailTemplate.organization_id == row.organization_id,
        (col(MailTemplate.name) != row.name) | (col(MailTemplate.language) != row.language),
    )
    if (await session.exec(others)).one() >= MOST:
        return False
    await session.merge(row)
    return True


async def delete(
    session: AsyncSession, organization_id: str, name: str, language: str
) -> MailTemplate | None:
    """Take these words away; returns them, or None where there were none."""
    row = await session.get(MailTemplate, (organization_id, name, language))
    if row is None:
        return None
    await session.exec(
        delete_from(MailTemplate)
        .where(
            col(MailTemplate.organization_id) == organization_id,
            col(MailTemplate.name) == name,
            col(MailTemplate.language) == language,
        )
        .execution_options(synchronize_session=False)
    )
    session.expunge(row)
    return row
