"""What a statement that locks an operation reads beside it, so that its next event needs no look."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, func
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import State

from ..core import timeline
from ..core.statements import is_sqlite
from ..tables import Approval, Operation, Person, TimelineEvent

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


_UNREVIEWED = "unreviewed_operations"

UNREVIEWED = (
    ~select(Approval.id)
    .where(col(Approval.operation_id) == col(Operation.id), col(Approval.state) == "open")
    .correlate(Operation)
    .exists()
)
"""For one that is read without a lock: whether nobody is asked to decide on it."""


def learn_unreviewed(session: AsyncSession, operation_id: str) -> None:
    """It has no open approval, nor will it have one by the time that this transaction writes."""
    session.info.setdefault(_UNREVIEWED, set()).add(operation_id)


def is_unreviewed(session: AsyncSession, operation_id: str) -> bool:
    """Whether that is known."""
    return operation_id in session.info.get(_UNREVIEWED, ())


def keys_of(session: AsyncSession, operation_id: str) -> Any:
    """A column for a statement: the keys of a timeline's events as a list, the oldest first."""
    of_it = col(TimelineEvent.operation_id) == operation_id
    if is_sqlite(session):
        keys = select(col(TimelineEvent.key)).where(of_it).order_by(col(TimelineEvent.seq)).subquery()
        return select(func.json_group_array(keys.c.key, type_=JSON)).scalar_subquery()
    in_order = aggregate_order_by(col(TimelineEvent.key), col(TimelineEvent.seq))
    return select(func.json_agg(in_order, type_=JSON)).where(of_it).scalar_subquery()


def seen(session: AsyncSession, found: Any) -> Operation | None:
    """An operation that was read with what is `BESIDE` it."""
    if found is None:
        return None
    operation: Operation
    operation, seq, hash_, *requester = found
    timeline.learn_head(session, operation.id, seq, hash_)
    timeline.learn_person(session, operation.requested_by, *requester)
    return operation


async def hold(session: AsyncSession, operation_id: str) -> Operation:
    """The operation as its row is now, with what is `BESIDE` it, in a transaction that locks nothing. Raises
    Overtaken for one that is closed, or isn't there."""
    columns: Any = (*BESIDE, UNREVIEWED)
    wanted = (
        select(Operation, *columns)
        .where(col(Operation.id) == operation_id)
        .execution_options(populate_existing=True)
    )
    row = (await session.exec(wanted)).one_or_none()
    operation = seen(session, row[:-1] if row is not None else None)
    if operation is None or operation.closed_at is not None:
        raise timeline.Overtaken
    if row[-1]:
        learn_unreviewed(session, operation_id)
    return operation


def closing(state: State, at: datetime, stays_open: bool) -> dict[str, Any]:
    """What a state changes beside itself in the row of an operation that is held, and open. Raises Overtaken
    for what is not told of an open one."""
    if state.final and stays_open:
        raise timeline.Overtaken
    return {"closed_at": at} if state.final else {}
