"""Organizations' own words for mails to their customers, by kind of mail and language: versions of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..people.people import lock_organization
from ..tables import MailTemplate, new_id

DRAFT, APPROVED, RETIRED = "draft", "approved", "retired"
MAX_TEMPLATES = 50
"""How many mails and languages an organization may have words for: a list shows all of them."""


async def of_organization(session: AsyncSession, organization_id: str) -> Sequence[MailTemplate]:
    """The words in use and the drafts, by kind of mail and language."""
    found = await session.exec(
        select(MailTemplate)
        .where(MailTemplate.organization_id == organization_id, MailTemplate.state != RETIRED)
        .order_by(col(MailTemplate.name), col(MailTemplate.language), col(MailTemplate.version))
    )
    return found.all()


async def languages(session: AsyncSession, organization_id: str) -> set[str]:
    """The tags in which the organization has words of its own in use."""
    found = await session.exec(
        select(MailTemplate.language)
        .where(MailTemplate.organization_id == organization_id, MailTemplate.state == APPROVED)
        .distinct()
    )
    return set(found)


async def versions(
    session: AsyncSession, organization_id: str, name: str, language: str
) -> list[MailTemplate]:
    """All that there ever were, the newest first."""
    found = await session.exec(
        select(MailTemplate)
        .where(
            MailTemplate.organization_id == organization_id,
            MailTemplate.name == name,
            MailTemplate.language == language,
        )
        .order_by(col(MailTemplate.version).desc())
    )
    return list(found)


async def add_draft(
    session: AsyncSession,
    organization_id: str,
    name: str,
    language: str,
    *,
    subject: str,
    text: str,
    html: str | None,
    by: str,
    at: datetime,
) -> MailTemplate | None:
    """A new version, in place of the draft that there was. None: there are `MAX_TEMPLATES` others already."""
    await lock_organization(session, organization_id)
    if await _others(session, organization_id, name, language) >= MAX_TEMPLATES:
        return None
    before = await versions(session, organization_id, name, language)
    await _retire(session, [one for one in before if one.state == DRAFT], by=by, at=at)
    draft = MailTemplate(
        id=new_id("mtp"),
        organization_id=organization_id,
        name=name,
        language=language,
        version=before[0].version + 1 if before else 1,
        state=DRAFT,
        subject=subject,
        text=text,
        html=html,
        written_by=by,
        written_at=at,
    )
    session.add(draft)
    await session.flush()
    return draft


def authors(before: Sequence[MailTemplate]) -> list[str]:
    """Who wrote the draft, and the versions since the last that was approved; the newest first."""
    wrote: list[str] = []
    for version in before:
        if version.approved_at is not None:
            break
        wrote.append(version.written_by)
    return wrote


async def approve(
    session: AsyncSession, draft: MailTemplate, before: Sequence[MailTemplate], *, by: str, at: datetime
) -> None:
    """The draft's words are used from now on. The organization is locked, and `before` its versions."""
    await _retire(session, [one for one in before if one.state == APPROVED], by=by, at=at)
    draft.state, draft.approved_by, draft.approved_at = APPROVED, by, at
    session.add(draft)
    await session.flush()


async def retire(
    session: AsyncSession, organization_id: str, name: str, language: str, *, by: str, at: datetime
) -> MailTemplate | None:
    """Take the words out of use, and drop the draft. Returns the words that were used, else the draft."""
    await lock_organization(session, organization_id)
    before = await versions(session, organization_id, name, language)
    ended = [one for one in before if one.state != RETIRED]
    await _retire(session, ended, by=by, at=at)
    return min(ended, key=lambda one: one.state != APPROVED, default=None)


async def _retire(session: AsyncSession, rows: Sequence[MailTemplate], *, by: str, at: datetime) -> None:
    for row in rows:
        row.state, row.retired_by, row.retired_at = RETIRED, by, at
        session.add(row)
    await session.flush()


async def _others(session: AsyncSession, organization_id: str, name: str, language: str) -> int:
    """For how many other mails and languages there are words or drafts."""
    pairs = (
        select(MailTemplate.name, MailTemplate.language)
        .where(
            MailTemplate.organization_id == organization_id,
            MailTemplate.state != RETIRED,
            (col(MailTemplate.name) != name) | (col(MailTemplate.language) != language),
        )
        .distinct()
        .subquery()
    )
    return (await session.exec(select(func.count()).select_from(pairs))).one()
