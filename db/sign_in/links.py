"""Links that sign a person in, or let them decide, once. Only hashes of their tokens are kept."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.keys import SecretHashes
from billing.core.operations import SYSTEM

from ..core.pending import store_later
from ..tables import Organization, Person, PersonLink, PersonLinkToken, new_id

TOKEN_BYTES = 32
"""256 bits; nobody guesses them."""
KEPT_FOR = timedelta(days=90)


class LinkHolder(NamedTuple):
    """A link, whose it is, and where."""

    link: PersonLink
    person: Person
    organization: str
    """Its name."""


async def people_at(session: AsyncSession, email: str) -> list[Person]:
    """The active people with this address, at most one an organization."""
    found = await session.exec(
        select(Person)
        .where(Person.email == email, col(Person.active))
        .order_by(col(Person.organization_id), col(Person.id))
    )
    return [person for person in found if person.roles]


async def issue(
    session: AsyncSession,
    person: Person,
    *,
    how: str,
    by: str,
    at: datetime,
    expires_at: datetime,
    because: str | None = None,
    address: str | None = None,
    next: str | None = None,
) -> PersonLink:
    """A new link, which has no token yet."""
    link = PersonLink(
        id=new_id("sil"),
        organization_id=person.organization_id,
        person_id=person.id,
        how=how,
        issued_by=by,
        because=because,
        address=address,
        next=next,
        created_at=at,
        expires_at=expires_at,
    )
    session.add(link)
    await session.flush()
    return link


async def issue_for_decision(
    session: AsyncSession,
    person: Person,
    link_id: str,
    *,
    approval: str,
    subject_hash: str,
    at: datetime,
    expires_at: datetime,
    new: bool = False,
) -> PersonLink:
    """The link of one mail that asks somebody to decide, which a first attempt (`new`) stores: the
    transaction fails where there is one. Later attempts find it there."""
    link = None if new else await session.get(PersonLink, link_id)
    if link is not None:
        return link
    link = PersonLink(
        id=link_id,
        organization_id=person.organization_id,
        person_id=person.id,
        how="decision",
        issued_by=SYSTEM,
        approval_id=approval,
        subject_hash=subject_hash,
        created_at=at,
        expires_at=expires_at,
    )
    await store_later(session, link)
    return link


async def add_token(session: AsyncSession, hashes: SecretHashes, link_id: str, *, at: datetime) -> str | None:
    """As `new_token`, of the link with this id."""
    link = await session.get(PersonLink, link_id)
    return await new_token(session, hashes, link, at=at) if link is not None else None


async def new_token(
    session: AsyncSession, hashes: SecretHashes, link: PersonLink, *, at: datetime
) -> str | None:
    """A new token of the link, as it stands in an address: it can't be shown again. None for a link that
    can't be used any more."""
    if not is_open(link, at):
        return None
    plain = secrets.token_urlsafe(TOKEN_BYTES)
    token = PersonLinkToken(token_hash=hashes.hash(plain), link_id=link.id, created_at=at)
    await store_later(session, token)
    return plain


def is_open(link: PersonLink, at: datetime) -> bool:
    """Whether it can be used at this time."""
    return link.used_at is None and at < link.expires_at


async def find(session: AsyncSession, hashes: SecretHashes, plain: str) -> LinkHolder | None:
    """The link that signs somebody in by this token, whatever its state."""
    return await _find(session, hashes, plain, col(PersonLink.approval_id).is_(None))


async def find_deciding(session: AsyncSession, hashes: SecretHashes, plain: str) -> LinkHolder | None:
    """The link that lets somebody decide by this token, whatever its state."""
    return await _find(session, hashes, plain, col(PersonLink.approval_id).is_not(None))


async def _find(
    session: AsyncSession, hashes: SecretHashes, plain: str, kind: ColumnElement[bool]
) -> LinkHolder | None:
    found = await session.exec(
        select(PersonLink, Person, Organization.name)
        .join(PersonLinkToken, col(PersonLinkToken.link_id) == col(PersonLink.id))
        .join(Person, col(Person.id) == col(PersonLink.person_id))
        .join(Organization, col(Organization.id) == col(PersonLink.organization_id))
        .where(col(PersonLinkToken.token_hash).in_(hashes.every(plain)), kind)
    )
    row = found.one_or_none()
    return LinkHolder(*row) if row else None


async def use_up(session: AsyncSession, link_id: str, *, at: datetime) -> bool:
    """Whether the link was open until now: of two at the same moment, for one of them only."""
    used = await session.exec(
        update(PersonLink)
        .where(
            col(PersonLink.id) == link_id, col(PersonLink.used_at).is_(None), col(PersonLink.expires_at) > at
        )
        .values(used_at=at)
        .execution_options(synchronize_session=False)
    )
    return bool(used.rowcount)


async def open_of(session: AsyncSession, person_id: str, at: datetime) -> int:
    """How many links the person was mailed that can still be used."""
    found = await session.exec(
        select(func.count())
        .select_from(PersonLink)
        .where(
            PersonLink.person_id == person_id,
            PersonLink.how == "mail",
            col(PersonLink.used_at).is_(None),
            col(PersonLink.expires_at) > at,
        )
    )
    return found.one()


async def forget(session: AsyncSession, at: datetime) -> None:
    """Remove what is older than an audit looks back."""
    old = select(PersonLink.id).where(col(PersonLink.created_at) < at - KEPT_FOR)
    await session.exec(delete(PersonLinkToken).where(col(PersonLinkToken.link_id).in_(old)))
    await session.exec(delete(PersonLink).where(col(PersonLink.created_at) < at - KEPT_FOR))
