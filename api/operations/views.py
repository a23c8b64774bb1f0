"""Rows as the answers that show them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.evidence.event_words import words
from db.tables import Notice, Operation, TimelineEvent

from ..http.auth import Caller
from ..http.models import EventAnswer, NoticeAnswer, OperationAnswer
from .actions import possible

Row = TypeVar("Row")
Shown = TypeVar("Shown")


def each(show: Callable[[Row], Shown]) -> Callable[[AsyncSession, Sequence[Row]], Awaitable[list[Shown]]]:
    """The answers of a page whose rows say all that is shown of them."""

    async def shown(_: AsyncSession, rows: Sequence[Row]) -> list[Shown]:
        return [show(row) for row in rows]

    return shown


def amount(row: Operation) -> Money | None:
    """What it gives, as far as that is known."""
    if row.amount_minor is None or row.currency is None:
        return None
    return Money(amount_minor=row.amount_minor, currency=row.currency)


def operation(row: Operation, caller: Caller, *, pending: bool = False) -> OperationAnswer:
    return OperationAnswer(
        **row.model_dump(exclude={"allowed_actions"}),
        customer=row.customer_id,
        amount=amount(row),
        allowed_actions=possible(row, caller),
        approval=row.approval_id,
        pending=pending,
    )


def event(row: TimelineEvent) -> EventAnswer:
    return EventAnswer(**row.model_dump(), event=words(row.code, row.detail))


def notice(row: Notice) -> NoticeAnswer:
    return NoticeAnswer(**row.model_dump(), operation=row.operation_id)
