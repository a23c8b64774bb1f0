"""Who read evidence, and who took files of rows with them: an audit log that is only added to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.pages import PagedRows, order
from ..tables import RecordRead

ReadSort = Literal["at", "-at"]
ReadKind = Literal["evidence", "file"]

_KEYS: Mapping[str, tuple[Any, ...]] = {"at": (col(RecordRead.id),)}  # ids are in the order they were made in


async def note(session: AsyncSession, row: RecordRead) -> None:
    """Add one. One statement: `Database.statement` is enough."""
    connection = await session.connection()
    await connection.execute(insert(RecordRead).values(row.model_dump()))


def paged(
    organization_id: str,
    *,
    person: str | None = None,
    what: ReadKind | None = None,
    sort: ReadSort = "-at",
) -> PagedRows[RecordRead]:
    """An organization's, or one person's."""
    wanted = select(RecordRead).where(RecordRead.organization_id == organization_id)
    if person is not None:
        wanted = wanted.where(RecordRead.person_id == person)
    if what is not None:
        wanted = wanted.where(RecordRead.what == what)
    return PagedRows(wanted, *order(_KEYS, sort))


async def forget(session: AsyncSession, before: datetime, limit: int) -> int:
    """Remove at most so many that are older, and say how many."""
    old = select(RecordRead.id).where(col(RecordRead.at) < before).limit(limit)
    gone = await session.exec(delete(RecordRead).where(col(RecordRead.id).in_(old)))
    return int(gone.rowcount)
