"""What a statement that locks an operation reads beside it, so that its next event needs no look."""

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core import timeline
from ..tables import Operation, Person

_REQUESTER = tuple(
    select(column)
    .where(
        col(Person.id) == col(Operation.requested_by),
        col(Person.organization_id) == col(Operation.organization_id),
    )
    .correlate(Operation)
    .scalar_subquery()
    for column in (col(Person.name), col(Person.roles))
)
BESIDE = (*timeline.head_of(col(Operation.id)), *_REQUESTER)
"""What the next event needs to be known: the last one, and who the requester is."""


def seen(session: AsyncSession, found: Any) -> Operation | None:
    """An operation that was read with what is `BESIDE` it."""
    if found is None:
        return None
    operation: Operation
    operation, seq, hash_, *requester = found
    timeline.learn_head(session, operation.id, seq, hash_)
    timeline.learn_person(session, operation.requested_by, *requester)
    return operation
