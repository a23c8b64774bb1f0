"""People of an organization and the API keys that they come with."""

import math
import re
import secrets
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Text, bindparam, cast
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Role
from billing.core.text import folded

from ..core.pages import PagedRows, order
from ..core.statements import is_sqlite
from ..tables import ApiKey, Organization, Person

# Made once: every request asks it, and building the statement costs as much as carrying it out.
_KEY_AND_PERSON = (
    select(ApiKey, Person)
    .join(Person, col(Person.id) == ApiKey.person_id)
    .where(ApiKey.prefix == bindparam("prefix"))
)

PersonSort = Literal["created_at", "-created_at", "name", "-name", "email", "-email"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(Person.id),),  # ids are in the order in which they were made
    "name": (col(Person.name), col(Person.id)),
    "email": (col(Person.email), col(Person.id)),
}


SECRET_BITS = 256
"""Of every API key's secret: its hash is as fast as every request needs it, and protected by randomness."""

_HEX = re.compile("[0-9a-f]+|[0-9A-F]+")
_FEWEST_CHARACTERS = 12
"""Different ones; fewer among 43 or more random characters do not happen."""


class NewKey(NamedTuple):
    """A key that was just made: `plaintext` is shown once; of `secret` only the hash is kept."""

    plaintext: str
    prefix: str
    secret: str


class KeyHolder(NamedTuple):
    """An API key and whose it is."""

    key: ApiKey
    person: Person


def new_api_key() -> NewKey:
    """A random key `pk_<prefix>_<secret>`, with 256 bits of secret."""
    prefix, secret = secrets.token_hex(6), secrets.token_hex(32)
    return NewKey(f"pk_{prefix}_{secret}", prefix, secret)


def split_api_key(plaintext: str) -> tuple[str, str] | None:
    """Prefix and secret, or None if this is not the shape of a key."""
    mark, _, rest = plaintext.partition("_")
    prefix, _, secret = rest.partition("_")
    return (prefix, secret) if mark == "pk" and prefix and secret else None


def weakness(secret: str) -> str | None:
    """What is wrong with a secret that somebody chose, or None. Randomness can't be proved: this finds what
    is too short for 32 random bytes, and what has obviously been typed or repeated."""
    if not secret.isascii() or not secret.isalnum():
        return "its secret may have letters and digits alone"
    if len(secret) > 256:
        return "its secret is longer than 256 characters"
    bits = math.log2(16 if _HEX.fullmatch(secret) else 62) * len(secret)
    if bits < SECRET_BITS:
        return "its secret is too short: it must come from at least 32 random bytes (64 hex digits)"
    if len(set(secret)) < _FEWEST_CHARACTERS or secret in (secret + secret)[1:-1]:
        return "its secret is not random: it must come from at least 32 random bytes"
    return None


async def find_key(session: AsyncSession, prefix: str) -> KeyHolder | None:
    """The key with this prefix and its person, whatever their state."""
    found = await session.exec(_KEY_AND_PERSON, params={"prefix": prefix})
    row = found.one_or_none()
    return KeyHolder(*row) if row else None


async def get(session: AsyncSession, organization_id: str, person_id: str) -> Person | None:
    """The person, if of this organization."""
    person = await session.get(Person, person_id)
    return person if person and person.organization_id == organization_id else None


async def everybody(session: AsyncSession, organization_id: str) -> list[Person]:
    """All of an organization's people, active or not."""
    return list(await session.exec(select(Person).where(Person.organization_id == organization_id)))


async def with_organization(session: AsyncSession, person_id: str) -> tuple[Person, Organization]:
    """The person and the organization that they belong to."""
    found = await session.exec(
        select(Person, Organization)
        .join(Organization, col(Organization.id) == Person.organization_id)
        .where(Person.id == person_id)
    )
    return found.one()


async def of_organization(
    session: AsyncSession, organization_id: str, person_id: str
) -> tuple[Person, Organization] | None:
    """The person with the organization, if of this one."""
    found = await session.exec(
        select(Person, Organization)
        .join(Organization, col(Organization.id) == Person.organization_id)
        .where(Person.id == person_id, Organization.id == organization_id)
    )
    return found.one_or_none()


async def names(session: AsyncSession, organization_id: str, ids: Collection[str]) -> dict[str, str]:
    """The names of those of these ids that are people of the organization: one query for all of a page."""
    found = await session.exec(
        select(Person.id, Person.name).where(
            Person.organization_id == organization_id, col(Person.id).in_(set(ids))
        )
    )
    return dict(found.all())


def paged(
    organization_id: str,
    *,
    q: str | None = None,
    role: Role | None = None,
    active: bool | None = None,
    sort: PersonSort = "-created_at",
) -> PagedRows[Person]:
    """An organization's people; with `q` those who have it in their name or address."""
    term = folded(q or "")
    wanted = select(Person).where(Person.organization_id == organization_id)
    if role is not None:
        wanted = wanted.where(may_have(role))
    if active is not None:
        wanted = wanted.where(col(Person.active).is_(active))

    def found(person: Person) -> bool:
        return (role is None or role in person.roles) and term in folded(f"{person.name} {person.email}")

    return PagedRows(wanted, *order(_KEYS, sort), keep=found)


def may_have(role: str) -> ColumnElement[bool]:
    """A first sieve that both databases know; whether the role is really there is looked at afterwards."""
    return cast(col(Person.roles), Text).contains(f'"{role}"', autoescape=True)


async def lock_organization(session: AsyncSession, organization_id: str) -> None:
    """Until the transaction's end nobody else adds to a list of this organization's that has a limit.

    SQLite's transactions that write come one after the other anyway.
    """
    if not is_sqlite(session):
        await session.exec(
            select(Organization.id).where(Organization.id == organization_id).with_for_update(key_share=True)
        )
