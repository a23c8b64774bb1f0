"""Rows as the answers that show them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.evidence.event_words import words
from db.core import pages
from db.tables import Notice, Operation, TimelineEvent

from ..http.auth import Caller
from ..http.models import EventAnswer, ListOf, NoticeAnswer, OperationAnswer
from .actions import possible

Row = TypeVar("Row")
Shown = TypeVar("Shown")


def listed(page: pages.Page[Row], show: Callable[[Row], Shown]) -> ListOf[Shown]:
    return ListOf(data=[show(row) for row in page.rows], next_cursor=page.next_cursor)


def each(show: Callable[[Row], Shown]) -> Callable[[AsyncSession, Sequence[Row]], Awaitable[list[Shown]]]:
    """The answers of a page whose rows say all that is shown of them."""

    async def shown(_: AsyncSession, rows: Sequence[Row]) -> list[Shown]:
        return [show(row) for row in rows]

    return shown


def sliced(
    rows: Sequence[Row],
    key: Callable[[Row], str],
    show: Callable[[Row], Shown],
    limit: int,
    cursor: str | None,
) -> ListOf[Shown]:
    """A page of rows that were all read because they are few. Raises InvalidRequest `invalid_cursor`."""
    after = pages.decode(cursor, [str]) if cursor else None
    start = next((at + 1 for at, row in enumerate(rows) if (key(row),) == after), 0)
    shown = rows[start : start + limit]
    more = start + limit < len(rows)
    return ListOf(
        data=[show(row) for row in shown], next_cursor=pages.encode((key(shown[-1]),)) if more else None
    )


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


def notice(row: Notice, *, pending: bool = False) -> NoticeAnswer:
    return NoticeAnswer(**row.model_dump(), operation=row.operation_id, pending=pending)
