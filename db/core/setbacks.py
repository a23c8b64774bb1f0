"""Setbacks: units of sweeps that failed while the others went on. One that has succeeded since is gone."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..tables import Setback
from .session import Database
from .statements import insert_into


class FailedUnit(NamedTuple):
    """A unit that failed, and with what."""

    unit: str
    organization: str | None
    error: str


async def note(
    database: Database, sweep: str, succeeded: Sequence[str], failed: Sequence[FailedUnit], at: datetime
) -> None:
    """Keep what failed, counted, and forget what has succeeded; mostly neither writes anything."""
    if succeeded:
        async with database.reading() as session:
            wanted = select(Setback.unit).where(Setback.sweep == sweep)
            known = set(await session.exec(wanted))
        succeeded = sorted(known.intersection(succeeded))
    if not succeeded and not failed:
        return
    async with database.transaction() as session:
        for one in sorted(failed):
            await _add(session, sweep, one, at)
        over = delete(Setback).where(col(Setback.sweep) == sweep, col(Setback.unit).in_(succeeded))
        await session.exec(over.execution_options(synchronize_session=False))


async def _add(session: AsyncSession, sweep: str, failed: FailedUnit, at: datetime) -> None:
    row = Setback(
        sweep=sweep,
        unit=failed.unit,
        organization_id=failed.organization,
        error=failed.error,
        first_at=at,
        last_at=at,
    )
    values = {"error": failed.error, "last_at": at, "tries": col(Setback.tries) + 1}
    await session.exec(
        insert_into(session, Setback)
        .values(**row.model_dump())
        .on_conflict_do_update(index_elements=["sweep", "unit"], set_=values)
    )


async def of_sweeps(session: AsyncSession, sweeps: Collection[str], after: str, limit: int) -> list[Setback]:
    """What has failed in these sweeps, by the units' ids."""
    wanted = select(Setback).where(col(Setback.sweep).in_(sweeps), col(Setback.unit) > after)
    return list(await session.exec(wanted.order_by(col(Setback.unit), col(Setback.sweep)).limit(limit)))
