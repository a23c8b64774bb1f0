"""Delegations: who decides for whom, from when until when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.delegation import MAX_PERIOD

from ..core.pages import PagedRows, order
from ..core.pending import reads
from ..core.statements import insert_if_new
from ..tables import Delegation

DelegationSort = Literal["created_at", "-created_at", "starts_at", "-starts_at", "ends_at", "-ends_at"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(Delegation.id),),  # ids are in the order in which they were made
    "starts_at": (col(Delegation.starts_at), col(Delegation.id)),
    "ends_at": (col(Delegation.ends_at), col(Delegation.id)),
}
_ANSWERED = (Delegation.accepted_at, Delegation.declined_at, Delegation.revoked_at)


async def add(session: AsyncSession, row: Delegation) -> Delegation:
    """Store a delegation, or return the one that has its id already."""
    return await insert_if_new(session, row) or await _get_any(session, row.id)


async def get(session: AsyncSession, organization_id: str, delegation_id: str) -> Delegation | None:
    """The delegation, if it is this organization's."""
    found = await session.get(Delegation, delegation_id)
    return found if found and found.organization_id == organization_id else None


async def same(session: AsyncSession, row: Delegation) -> Delegation | None:
    """One that lets the same person decide the same until the same time, not revoked and not declined."""
    found = await session.exec(
        select(Delegation).where(
            Delegation.organization_id == row.organization_id,
            Delegation.from_person == row.from_person,
            Delegation.to_person == row.to_person,
            col(Delegation.role).is_not_distinct_from(row.role),
            col(Delegation.approval_id).is_not_distinct_from(row.approval_id),
            Delegation.starts_at <= row.starts_at,
            Delegation.ends_at == row.ends_at,
            col(Delegation.revoked_at).is_(None),
            col(Delegation.declined_at).is_(None),
        )
    )
    return found.first()


def paged(
    organization_id: str,
    *,
    person: str | None = None,
    at: datetime | None = None,
    sort: DelegationSort = "-created_at",
) -> PagedRows[Delegation]:
    """An organization's delegations, past and revoked ones too. With `person` those from or to them, with
    `at` those that hold then."""
    wanted = select(Delegation).where(Delegation.organization_id == organization_id)
    if person is not None:
        wanted = wanted.where(or_(col(Delegation.from_person) == person, col(Delegation.to_person) == person))
    if at is not None:
        wanted = wanted.where(*_holding(at))
    return PagedRows(wanted, *order(_KEYS, sort))


async def standing(
    session: AsyncSession, organization_id: str, person: str, at: datetime
) -> list[Delegation]:
    """Those from or to this person that are in force or may come to be: offered, upcoming or active; the
    newest first."""
    found = await session.exec(
        select(Delegation)
        .where(
            Delegation.organization_id == organization_id,
            or_(col(Delegation.from_person) == person, col(Delegation.to_person) == person),
            Delegation.ends_at > at,
            col(Delegation.revoked_at).is_(None),
            col(Delegation.declined_at).is_(None),
        )
        .order_by(col(Delegation.id).desc())
    )
    return list(found)


async def revoke(session: AsyncSession, delegation_id: str, *, by: str, at: datetime) -> Delegation:
    """End a delegation at once; the first to do so stays. Returns it as it then is.

    Raises LookupError when there is none.
    """
    await session.exec(
        update(Delegation)
        .where(col(Delegation.id) == delegation_id, col(Delegation.revoked_at).is_(None))
        .values(revoked_by=by, revoked_at=at)
        .execution_options(synchronize_session=False)
    )
    delegation = await _get_any(session, delegation_id)
    await session.refresh(delegation)
    return delegation


async def answer(session: AsyncSession, delegation_id: str, *, accepts: bool, at: datetime) -> Delegation:
    """The delegate agrees, or does not; the first answer stays. Returns the delegation as it then is.

    Raises LookupError when there is none.
    """
    await session.exec(
        update(Delegation)
        .where(
            col(Delegation.id) == delegation_id,
            *(col(one).is_(None) for one in _ANSWERED),
            col(Delegation.ends_at) > at,
        )
        .values(**{"accepted_at" if accepts else "declined_at": at})
        .execution_options(synchronize_session=False)
    )
    delegation = await _get_any(session, delegation_id)
    await session.refresh(delegation)
    return delegation


def has_begun(at: datetime) -> ColumnElement[bool]:
    """Whether it has come into force, and was over at most a year ago."""
    return and_(
        col(Delegation.accepted_at).is_not(None),
        col(Delegation.starts_at) <= at,
        col(Delegation.ends_at) > at - MAX_PERIOD,
        or_(col(Delegation.revoked_at).is_(None), col(Delegation.revoked_at) > col(Delegation.starts_at)),
    )


async def begun(session: AsyncSession, organization_id: str, at: datetime) -> list[Delegation]:
    """Those of an organization that have come into force and were over at most a year ago, the earliest
    first."""
    found = await session.exec(
        select(Delegation)
        .where(Delegation.organization_id == organization_id, has_begun(at))
        .order_by(col(Delegation.starts_at), col(Delegation.id))
        .execution_options(populate_existing=True, **reads(Delegation))
    )
    return list(found)


async def by_which(
    session: AsyncSession, *, giver: str, delegate: str, role: str, approval_id: str, at: datetime
) -> Delegation:
    """The delegation, the earliest if there are several, by which somebody decides in another's place."""
    found = await session.exec(
        select(Delegation)
        .where(
            Delegation.from_person == giver,
            Delegation.to_person == delegate,
            or_(col(Delegation.role).is_(None), col(Delegation.role) == role),
            or_(col(Delegation.approval_id).is_(None), col(Delegation.approval_id) == approval_id),
            *_holding(at),
        )
        .order_by(col(Delegation.starts_at), col(Delegation.id))
        .limit(1)
    )
    return found.one()


def _holding(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Delegation.accepted_at).is_not(None),
        col(Delegation.ends_at) > at,
        col(Delegation.starts_at) <= at,
        col(Delegation.revoked_at).is_(None),
    )


async def _get_any(session: AsyncSession, delegation_id: str) -> Delegation:
    found = await session.get(Delegation, delegation_id)
    if found is None:
        raise LookupError(f"no delegation {delegation_id}")
    return found
