"""API keys: made by people for themselves, listed with their last use, revoked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, update
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.keys import SecretHashes

from ..core.pages import FirstOf, PagedRows, order
from ..tables import ApiKey, KeyUse, Person
from .people import NewKey

KeyState = Literal["live", "expired", "revoked"]
KeySort = Literal["created_at", "-created_at", "name", "-name"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(ApiKey.created_at), col(ApiKey.prefix)),
    # What came by provisioning has no name.
    "name": (FirstOf(col(ApiKey.name), col(ApiKey.prefix)), col(ApiKey.prefix)),
}


class LastUse(NamedTuple):
    """When a key was used last, to the hour, and from which address (of IPv6 the /64)."""

    at: datetime
    address: str


def state_of(row: ApiKey, at: datetime) -> KeyState:
    """Whether it works at this time, or why not; that its person is not active revokes it too."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= at else "live"


def made(
    key: NewKey,
    hashes: SecretHashes,
    person: Person,
    *,
    name: str | None,
    at: datetime,
    expires_at: datetime | None,
    made_with: str | None,
    scopes: Sequence[str],
) -> ApiKey:
    """The row of a key that a person makes for themselves; `made_with` is the key by which they call."""
    return ApiKey(
        prefix=key.prefix,
        secret_hash=hashes.hash(key.secret, person.id),
        person_id=person.id,
        organization_id=person.organization_id,
        name=name,
        created_by=person.id,
        made_with=made_with,
        created_at=at,
        expires_at=expires_at,
        scopes=list(scopes),
    )


async def get(session: AsyncSession, organization_id: str, prefix: str) -> ApiKey | None:
    """The key, if it is this organization's."""
    row = await session.get(ApiKey, prefix)
    return row if row and row.organization_id == organization_id else None


async def replace(
    session: AsyncSession, organization_id: str, prefix: str, at: datetime
) -> tuple[ApiKey, ApiKey | None] | None:
    """The key that is about to be replaced, which nobody else changes before the transaction ends, and the
    one that replaces it already, if that works."""
    row = await session.get(ApiKey, prefix, with_for_update=True, populate_existing=True)
    if row is None or row.organization_id != organization_id:
        return None
    successor = await session.get(ApiKey, row.replaced_by) if row.replaced_by else None
    return row, successor if successor and state_of(successor, at) == "live" else None


async def keep_anew(session: AsyncSession, key: ApiKey, secret_hash: str) -> None:
    """Keep the same secret by another hash. One statement: `Database.statement` is enough."""
    await session.exec(
        update(ApiKey)
        .where(col(ApiKey.prefix) == key.prefix, col(ApiKey.secret_hash) == key.secret_hash)
        .values(secret_hash=secret_hash)
        .execution_options(synchronize_session=False)
    )


async def still_works(session: AsyncSession, prefix: str, at: datetime) -> bool:
    """Whether the key works; it can't be revoked before the transaction ends."""
    row = await session.get(ApiKey, prefix, with_for_update=True, populate_existing=True)
    return row is not None and state_of(row, at) == "live"


async def count_live(session: AsyncSession, person_id: str, at: datetime) -> int:
    """How many keys of the person work."""
    found = await session.exec(
        select(func.count()).select_from(ApiKey).where(ApiKey.person_id == person_id, _is_live(at))
    )
    return found.one()


async def revoke(session: AsyncSession, prefix: str, *, by: str, at: datetime) -> bool:
    """End a key for good, and with it those that were made with it; False if it had been revoked before.

    Whoever has got hold of a key can't keep a door open by making another.
    """
    ended = await _revoke(session, col(ApiKey.prefix) == prefix, by, at)
    more = ended
    while more:
        more = await _revoke(session, col(ApiKey.made_with).in_(more), by, at)
    return bool(ended)


async def _revoke(session: AsyncSession, which: ColumnElement[bool], by: str, at: datetime) -> list[str]:
    revoked = await session.exec(
        update(ApiKey)
        .where(which, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=at, revoked_by=by)
        .returning(col(ApiKey.prefix))
        .execution_options(synchronize_session="fetch")
    )
    return list(revoked.scalars())


def paged(
    organization_id: str,
    *,
    person: str | None = None,
    live_at: datetime | None = None,
    sort: KeySort = "-created_at",
) -> PagedRows[ApiKey]:
    """An organization's keys or one person's; with `live_at` those alone that work then."""
    wanted = select(ApiKey).where(ApiKey.organization_id == organization_id)
    if person is not None:
        wanted = wanted.where(ApiKey.person_id == person)
    if live_at is not None:
        wanted = wanted.where(_is_live(live_at))
    return PagedRows(wanted, *order(_KEYS, sort))


async def last_uses(session: AsyncSession, prefixes: Collection[str]) -> dict[str, LastUse]:
    """The last use of each of these keys with the right secret, of those within the audit log's time."""
    latest = (
        select(KeyUse.prefix, func.max(KeyUse.window_start).label("window_start"))
        .where(col(KeyUse.prefix).in_(prefixes), col(KeyUse.accepted))
        .group_by(col(KeyUse.prefix))
        .subquery()
    )
    found = await session.exec(
        select(KeyUse)
        .join(
            latest,
            and_(
                col(KeyUse.prefix) == latest.c.prefix,
                col(KeyUse.window_start) == latest.c.window_start,
            ),
        )
        .where(col(KeyUse.accepted))
        .order_by(col(KeyUse.last_at))
    )
    return {row.prefix: LastUse(row.last_at, row.address) for row in found}


def _is_live(at: datetime) -> ColumnElement[bool]:
    return and_(
        col(ApiKey.revoked_at).is_(None), or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > at)
    )
