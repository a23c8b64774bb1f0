"""Sessions of the console: rows, so that each can be listed and revoked."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.keys import SecretHashes

from ..core.pages import PagedRows, order
from ..tables import ConsoleSession, Person, new_id

State = Literal["live", "idle", "expired", "revoked"]
SessionSort = Literal["created_at", "-created_at", "last_seen_at", "-last_seen_at"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(ConsoleSession.id),),  # ids are in the order in which they were made
    "last_seen_at": (col(ConsoleSession.last_seen_at), col(ConsoleSession.id)),
}

SECRET_BYTES = 32
"""256 bits: nobody guesses them."""
MAX_AGENT = 300
SEEN_EVERY = timedelta(minutes=1)
KEPT_FOR = timedelta(days=90)

# Made once: every request of the console asks it.
_SESSION_AND_PERSON = (
    select(ConsoleSession, Person)
    .join(Person, col(Person.id) == col(ConsoleSession.person_id))
    .where(
        col(ConsoleSession.secret_hash).in_(bindparam("hashes", expanding=True)),
        ConsoleSession.person_id == bindparam("person"),
    )
)


class NewSession(NamedTuple):
    """A session that was just opened: `secret` goes into the cookie, and is kept nowhere else."""

    secret: str
    row: ConsoleSession


class SessionHolder(NamedTuple):
    """A session and whose it is."""

    session: ConsoleSession
    person: Person


def state_of(row: ConsoleSession, at: datetime, idle: timedelta) -> State:
    """Whether somebody is signed in by it at this time, or why not; `idle` is the longest pause."""
    if row.revoked_at is not None:
        return "revoked"
    if at >= row.expires_at:
        return "expired"
    return "live" if at < row.last_seen_at + idle else "idle"


async def begin(
    session: AsyncSession,
    hashes: SecretHashes,
    person: Person,
    *,
    how: str,
    address: str,
    user_agent: str | None,
    at: datetime,
    expires_at: datetime,
    roles: list[str] | None = None,
) -> NewSession:
    """Open a session, with a secret that no browser has had before. `roles`: a provider granted no others.

    The secret names its person, so that the row can't be made into somebody else's session.
    """
    secret = f"{secrets.token_urlsafe(SECRET_BYTES)}.{person.id}"
    row = ConsoleSession(
        id=new_id("ses"),
        organization_id=person.organization_id,
        person_id=person.id,
        secret_hash=hashes.hash(secret),
        how=how,
        address=address,
        user_agent=user_agent[:MAX_AGENT] if user_agent else None,
        created_at=at,
        last_seen_at=at,
        expires_at=expires_at,
        roles=roles,
    )
    session.add(row)
    await session.flush()
    return NewSession(secret, row)


async def find(session: AsyncSession, hashes: SecretHashes, secret: str) -> SessionHolder | None:
    """The session with this secret and its person, whatever their state."""
    sought = {"hashes": hashes.every(secret), "person": secret.rpartition(".")[2]}
    found = await session.exec(_SESSION_AND_PERSON, params=sought)
    row = found.one_or_none()
    return SessionHolder(*row) if row else None


async def get(session: AsyncSession, organization_id: str, session_id: str) -> ConsoleSession | None:
    """The session, if it is this organization's."""
    row = await session.get(ConsoleSession, session_id)
    return row if row and row.organization_id == organization_id else None


async def seen(session: AsyncSession, row: ConsoleSession, at: datetime) -> None:
    """Note that it is used, unless that was noted within the last minute. One statement:
    `Database.statement` is enough."""
    await session.exec(
        update(ConsoleSession)
        .where(col(ConsoleSession.id) == row.id, col(ConsoleSession.last_seen_at) <= at - SEEN_EVERY)
        .values(last_seen_at=at)
        .execution_options(synchronize_session=False)
    )


async def revoke(session: AsyncSession, session_id: str, *, by: str, at: datetime) -> bool:
    """End a session; False if it had been revoked before."""
    revoked = await session.exec(
        update(ConsoleSession)
        .where(col(ConsoleSession.id) == session_id, col(ConsoleSession.revoked_at).is_(None))
        .values(revoked_at=at, revoked_by=by)
        .execution_options(synchronize_session="fetch")
    )
    return bool(revoked.rowcount)


async def revoke_all(
    session: AsyncSession, person: Person, *, keep: str | None, by: str, at: datetime
) -> int:
    """End all of a person's sessions that have not ended, but for the one to `keep`; says how many."""
    ended = update(ConsoleSession).where(
        col(ConsoleSession.person_id) == person.id,
        col(ConsoleSession.revoked_at).is_(None),
        col(ConsoleSession.expires_at) > at,
    )
    if keep is not None:
        ended = ended.where(col(ConsoleSession.id) != keep)
    revoked = await session.exec(
        ended.values(revoked_at=at, revoked_by=by).execution_options(synchronize_session=False)
    )
    return int(revoked.rowcount)


async def last_begun(session: AsyncSession, people: Collection[str]) -> dict[str, datetime]:
    """When each of these people signed in last, of those whose session is still kept."""
    found = await session.exec(
        select(ConsoleSession.person_id, func.max(ConsoleSession.created_at))
        .where(col(ConsoleSession.person_id).in_(people))
        .group_by(col(ConsoleSession.person_id))
    )
    return dict(found.all())


async def count_live(session: AsyncSession, person_id: str, at: datetime, idle: timedelta) -> int:
    """In how many browsers the person is signed in."""
    found = await session.exec(
        select(func.count())
        .select_from(ConsoleSession)
        .where(ConsoleSession.person_id == person_id, *_live(at, idle))
    )
    return found.one()


def paged(
    organization_id: str,
    *,
    person: str | None = None,
    live_at: datetime | None = None,
    idle: timedelta = timedelta(0),
    sort: SessionSort = "-created_at",
) -> PagedRows[ConsoleSession]:
    """An organization's sessions or one person's; with `live_at` those alone that are live then."""
    wanted = select(ConsoleSession).where(ConsoleSession.organization_id == organization_id)
    if person is not None:
        wanted = wanted.where(ConsoleSession.person_id == person)
    if live_at is not None:
        wanted = wanted.where(*_live(live_at, idle))
    return PagedRows(wanted, *order(_KEYS, sort))


def _live(at: datetime, idle: timedelta) -> tuple[ColumnElement[bool], ...]:
    return (
        col(ConsoleSession.revoked_at).is_(None),
        col(ConsoleSession.expires_at) > at,
        col(ConsoleSession.last_seen_at) > at - idle,
    )


async def forget(session: AsyncSession, at: datetime) -> None:
    """Remove what is older than an audit looks back."""
    await session.exec(delete(ConsoleSession).where(col(ConsoleSession.expires_at) < at - KEPT_FOR))
