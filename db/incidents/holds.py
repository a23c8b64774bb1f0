"""Workflows that wait for a degraded component: noted as they stop, released in that order."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from billing.incidents.states import Component

from ..core.statements import insert_if_new
from ..tables import Hold

_NOT_RESUMED = col(Hold.resumed_at).is_(None)
"""By the index of those who wait."""


async def open_holds(
    session: AsyncSession, component: Component, limit: int, *, again_before: datetime | None = None
) -> list[Hold]:
    """Who waits for the component, the longest first; with those who were told to go on before
    `again_before` and have not."""
    waits: list[ColumnElement[bool]] = [col(Hold.released_at).is_(None)]
    if again_before is not None:
        waits.append(col(Hold.released_at) < again_before)
    found = await session.exec(
        select(Hold)
        .where(Hold.component == component.value, _NOT_RESUMED, or_(*waits))
        .order_by(col(Hold.held_at), col(Hold.id))
        .limit(limit)
    )
    return list(found)


async def under_way(session: AsyncSession, component: Component) -> bool:
    """Whether somebody has not gone on yet, told or not."""
    found = await session.exec(
        select(Hold.id).where(Hold.component == component.value, _NOT_RESUMED).limit(1)
    )
    return found.first() is not None


async def count(session: AsyncSession, component: Component, organization: str | None = None) -> int:
    """How many workflows wait for the component: the organization's, or everybody's."""
    return (await session.exec(waiting(organization).where(Hold.component == component.value))).one()


def waiting(organization: str | None) -> SelectOfScalar[int]:
    """How many workflows wait for any component: the organization's, or everybody's."""
    wanted = select(func.count()).select_from(Hold).where(_NOT_RESUMED, col(Hold.released_at).is_(None))
    return wanted if organization is None else wanted.where(Hold.organization_id == organization)


async def release(session: AsyncSession, hold_id: str, at: datetime) -> Hold | None:
    """The workflow may go on: send it the signal `billing.incidents.holds.RELEASED` after the commit.

    None when there is no such hold or somebody else has released it, who sends the signal. Where that is
    lost, `open_holds` gives the workflow again.
    """
    released: Hold | None = await session.scalar(
        update(Hold)
        .where(col(Hold.id) == hold_id, col(Hold.released_at).is_(None))
        .values(released_at=at)
        .returning(Hold)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return released


async def release_again(session: AsyncSession, hold_id: str, at: datetime) -> None:
    """The workflow is told to go on, for the first time or once more; one that went on stays as it is."""
    await session.exec(
        update(Hold)
        .where(col(Hold.id) == hold_id, _NOT_RESUMED)
        .values(released_at=at)
        .execution_options(synchronize_session=False)
    )


async def resumed(session: AsyncSession, hold_ids: Sequence[str], at: datetime) -> None:
    """These workflows went on, or do not run any more: nobody has to be told."""
    await session.exec(
        update(Hold)
        .where(col(Hold.id).in_(hold_ids), _NOT_RESUMED)
        .values(released_at=func.coalesce(Hold.released_at, at), resumed_at=at)
        .execution_options(synchronize_session="fetch")
    )


async def open_again(session: AsyncSession, hold: Hold) -> None:
    """Store the hold. A workflow that was reset is held by the same row once more."""
    if await insert_if_new(session, hold) is None:
        await session.exec(
            update(Hold)
            .where(col(Hold.id) == hold.id)
            .values(held_at=hold.held_at, state=hold.state, released_at=None, resumed_at=None)
            .execution_options(synchronize_session=False)
        )


async def tell(
    session: AsyncSession, component: Component, *, held_before: datetime, at: datetime, most: int = 100
) -> list[Hold]:
    """The holds of whoever is to be told now that they are held, so long as they are: each once."""
    due = (
        select(Hold.id)
        .where(
            Hold.component == component.value,
            col(Hold.released_at).is_(None),
            col(Hold.resumed_at).is_(None),
            col(Hold.told_at).is_(None),
            col(Hold.held_at) <= held_before,
        )
        .order_by(col(Hold.held_at), col(Hold.id))
        .limit(most)
    )
    rows = await session.exec(
        update(Hold)
        .where(col(Hold.id).in_(due), col(Hold.told_at).is_(None))
        .values(told_at=at)
        .returning(Hold)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return sorted(rows.scalars(), key=lambda hold: (hold.held_at, hold.id))


async def of_operation(session: AsyncSession, operation_id: str) -> list[Hold]:
    """What still holds the operation: its workflow, or one that adds a note to what it made."""
    found = await session.exec(
        select(Hold)
        .where(Hold.operation_id == operation_id, col(Hold.released_at).is_(None))
        .order_by(col(Hold.held_at), col(Hold.id))
    )
    return list(found)
