"""Links that sign a person in to the console, once. Only hashes of their tokens are kept."""

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..people.people import hash_secret
from ..tables import Organization, Person, SignInLink, SignInToken, new_id

TOKEN_BYTES = 32
"""256 bits; nobody guesses them, so a plain SHA-256 is enough to keep."""
KEPT_FOR = timedelta(days=90)


class LinkHolder(NamedTuple):
    """A link, and whom it signs in where."""

    link: SignInLink
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
) -> SignInLink:
    """A new link, which has no token yet."""
    link = SignInLink(
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


async def add_token(session: AsyncSession, link_id: str, *, at: datetime) -> str | None:
    """A new token of the link, as it stands in an address: it can't be shown again. None for a link that
    signs nobody in any more."""
    link = await session.get(SignInLink, link_id)
    if link is None or not is_open(link, at):
        return None
    plain = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(SignInToken(token_hash=hash_secret(plain), link_id=link_id, created_at=at))
    await session.flush()
    return plain


def is_open(link: SignInLink, at: datetime) -> bool:
    """Whether it can be used at this time."""
    return link.used_at is None and at < link.expires_at


async def find(session: AsyncSession, plain: str) -> LinkHolder | None:
    """The link that a token is of, whatever its state."""
    found = await session.exec(
        select(SignInLink, Person, Organization.name)
        .join(SignInToken, col(SignInToken.link_id) == col(SignInLink.id))
        .join(Person, col(Person.id) == col(SignInLink.person_id))
        .join(Organization, col(Organization.id) == col(SignInLink.organization_id))
        .where(SignInToken.token_hash == hash_secret(plain))
    )
    row = found.one_or_none()
    return LinkHolder(*row) if row else None


async def use_up(session: AsyncSession, link_id: str, *, at: datetime) -> bool:
    """Whether the link was open until now: of two at the same moment, for one of them only."""
    used = await session.exec(
        update(SignInLink)
        .where(
            col(SignInLink.id) == link_id, col(SignInLink.used_at).is_(None), col(SignInLink.expires_at) > at
        )
        .values(used_at=at)
        .execution_options(synchronize_session=False)
    )
    return bool(used.rowcount)


async def open_of(session: AsyncSession, person_id: str, at: datetime) -> int:
    """How many links the person was mailed that can still be used."""
    found = await session.exec(
        select(func.count())
        .select_from(SignInLink)
        .where(
            SignInLink.person_id == person_id,
            SignInLink.how == "mail",
            col(SignInLink.used_at).is_(None),
            col(SignInLink.expires_at) > at,
        )
    )
    return found.one()


async def asked_from(session: AsyncSession, address: str, since: datetime) -> int:
    """How many links were asked for from one network."""
    found = await session.exec(
        select(func.count())
        .select_from(SignInLink)
        .where(SignInLink.address == address, col(SignInLink.created_at) > since)
    )
    return found.one()


async def forget(session: AsyncSession, at: datetime) -> None:
    """Remove what is older than an audit looks back."""
    old = select(SignInLink.id).where(col(SignInLink.created_at) < at - KEPT_FOR)
    await session.exec(delete(SignInToken).where(col(SignInToken.link_id).in_(old)))
    await session.exec(delete(SignInLink).where(col(SignInLink.created_at) < at - KEPT_FOR))
