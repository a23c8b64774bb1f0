"""How much somebody has begun of late, counted in the records so that every process counts the same."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from ulid import ULID

from ..tables import Delegation, Operation


class StartCount(NamedTuple):
    """So many since a moment; `first` is when the earliest of them was, None where there is none."""

    number: int
    first: datetime | None


async def operations(
    session: AsyncSession, organization_id: str, person_id: str, since: datetime
) -> tuple[StartCount, StartCount]:
    """Those of the person, and those of everybody in the organization. One look at the newest rows."""
    theirs = col(Operation.requested_by) == person_id
    found = await session.exec(
        select(
            func.count(case((theirs, 1))),
            func.min(case((theirs, col(Operation.created_at)))),
            func.count(),
            func.min(col(Operation.created_at)),
        ).where(
            Operation.organization_id == organization_id,
            col(Operation.id) >= _first_id("op", since),
            col(Operation.created_at) > since,
        )
    )
    by_person, first_of_person, by_all, first_of_all = found.one()
    return StartCount(by_person, first_of_person), StartCount(by_all, first_of_all)


async def delegations(
    session: AsyncSession, organization_id: str, person_id: str, since: datetime
) -> StartCount:
    """Delegations that the person has given, also those that were revoked since."""
    found = await session.exec(
        select(func.count(), func.min(col(Delegation.created_at))).where(
            Delegation.organization_id == organization_id,
            Delegation.created_by == person_id,
            col(Delegation.id) >= _first_id("dlg", since),
            col(Delegation.created_at) > since,
        )
    )
    return StartCount(*found.one())


def _first_id(prefix: str, since: datetime) -> str:
    """Below every id of `new_id` from then on, to the millisecond: they begin with their time, and the index
    is sorted by them."""
    return f"{prefix}_{str(ULID.from_datetime(since))[:10]}{'0' * 16}"
