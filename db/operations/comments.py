"""Comments: what people say to each other about an operation. Only ever added."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.record_hashes import wrote
from ..core.statements import insert_if_new
from ..tables import CommentRow


async def add(session: AsyncSession, row: CommentRow) -> bool:
    """Store a comment, and whether its id and place were free.

    The next `seq` counts from 1; whoever takes it holds `operations.lock`.
    """
    added = await insert_if_new(session, row) is not None
    if added:
        wrote(session, row.operation_id, row)
    return added


async def of_operation(session: AsyncSession, operation_id: str) -> list[CommentRow]:
    """The comments on an operation, the oldest first."""
    found = await session.exec(
        select(CommentRow).where(CommentRow.operation_id == operation_id).order_by(col(CommentRow.seq))
    )
    return list(found)
