"""Rows as the answers that show them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from billing.approval import Refusal, Rung, may_decide
from billing.money import Money
from db import pages
from db.tables import Approval, Customer, Invoice, Notice, Operation

from .actions import possible
from .auth import Caller
from .models import (
    ApprovalAnswer,
    CustomerAnswer,
    InvoiceAnswer,
    Listed,
    NoticeAnswer,
    OperationAnswer,
)

Row = TypeVar("Row")
Shown = TypeVar("Shown")


def listed(page: "pages.Page[Row]", show: Callable[[Row], Shown]) -> Listed[Shown]:  # type: ignore[type-var]
    return Listed(data=[show(row) for row in page.rows], next_cursor=page.next_cursor)


def sliced(
    rows: Sequence[Row],
    key: Callable[[Row], str],
    show: Callable[[Row], Shown],
    limit: int,
    cursor: str | None,
) -> Listed[Shown]:
    """A page of rows that were all read because they are few. Raises InvalidRequest `invalid_cursor`."""
    after = pages.decode(cursor, [str]) if cursor else None
    start = next((at + 1 for at, row in enumerate(rows) if (key(row),) == after), 0)
    shown = rows[start : start + limit]
    more = start + limit < len(rows)
    return Listed(
        data=[show(row) for row in shown], next_cursor=pages.encode((key(shown[-1]),)) if more else None
    )


def operation(row: Operation, caller: Caller, *, pending: bool = False) -> OperationAnswer:
    return OperationAnswer(
        **row.model_dump(exclude={"allowed_actions"}),
        allowed_actions=possible(row, caller),
        approval=row.approval_id,
        pending=pending,
    )


def approval(row: Approval, caller: Caller, *, pending: bool = False) -> ApprovalAnswer:
    refusal = why_not(row, caller)
    amount = None
    if row.amount_minor is not None and row.currency is not None:
        amount = Money(amount_minor=row.amount_minor, currency=row.currency)
    return ApprovalAnswer(
        **row.model_dump(),
        operation=row.operation_id,
        amount=amount,
        can_decide=refusal is None,
        why_not=refusal.message if refusal else None,
        pending=pending,
    )


def why_not(row: Approval, caller: Caller) -> Refusal | None:
    """Why the caller may not decide now. The person comes first: theirs stays a refusal when it is closed.

    A review confirms lines, whatever they come to: no amount is held against an authority here.
    """
    refusal = may_decide(
        requester=row.requested_by,
        requester_delegates=(),
        person=caller.person,
        roles=caller.roles,
        ladder=[Rung.model_validate(rung) for rung in row.ladder],
        rung=row.rung,
    )
    if refusal is None and row.state != "open":
        message = f"This approval is already {row.state}; nothing more can be decided on it."
        return Refusal(code="approval_closed", message=message)
    return refusal


def customer(row: Customer) -> CustomerAnswer:
    balance = Money(amount_minor=row.balance, currency=row.currency) if row.currency else None
    return CustomerAnswer(**row.model_dump(exclude={"balance"}), balance=balance)


def invoice(row: Invoice) -> InvoiceAnswer:
    amounts = ("total", "amount_due", "amount_paid", "amount_remaining")
    return InvoiceAnswer(
        **row.model_dump(exclude=set(amounts)),
        customer=row.customer_id,
        **{name: Money(amount_minor=getattr(row, name), currency=row.currency) for name in amounts},
    )


def notice(row: Notice, *, pending: bool = False) -> NoticeAnswer:
    return NoticeAnswer(**row.model_dump(), operation=row.operation_id, pending=pending)
