"""Notes: why money went back, in a person's words. Only ever added."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.record_hashes import wrote
from ..core.statements import insert_if_new
from ..tables import NoteRow


async def add(session: AsyncSession, row: NoteRow) -> bool:
    """Store a note, and whether its id and place were free.

    The next `seq` counts from 1; whoever takes it holds `operations.lock`.
    """
    added = await insert_if_new(session, row) is not None
    if added:
        wrote(session, row.operation_id, row)
    return added


async def of_operation(session: AsyncSession, operation_id: str) -> list[NoteRow]:
    """The notes of an operation, the first one first."""
    found = await session.exec(
        select(NoteRow).where(NoteRow.operation_id == operation_id).order_by(col(NoteRow.seq))
    )
    return list(found)
