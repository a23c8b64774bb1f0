"""What was mirrored of money, as far as it may have been given in Stripe itself."""

from collections.abc import Iterable
from typing import TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import GONE, CaseFound, CaseObject, Made
from billing.core.money import Money

from ..tables import BalanceTransactionRow, CreditNoteRow, MoneyRow, RefundRow

OneKind = TypeVar("OneKind", RefundRow, CreditNoteRow, BalanceTransactionRow)

ADJUSTMENT = "adjustment"
"""The type of a balance transaction that somebody made, and not an invoice or a credit note."""


def of_rows(rows: Iterable[MoneyRow]) -> list[Made]:
    """Each that gives something, or gave it once."""
    return [one for row in rows for one in _of_row(row)]


def _of_row(row: MoneyRow) -> list[Made]:
    if isinstance(row, RefundRow):
        return [of_refund(row)]
    return [of_credit_note(row)] if isinstance(row, CreditNoteRow) else of_transaction(row)


def of_refund(row: RefundRow) -> Made:
    """A refund of a payment."""
    found = CaseFound(
        object_kind=CaseObject.REFUND,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=row.amount, currency=row.currency),
        payment_intent=row.payment_intent,
        reason=row.failure_reason or row.reason,
        status=row.status,
    )
    return Made(row.organization_id, found, row.claims, row.status in GONE)


def of_credit_note(row: CreditNoteRow) -> Made:
    """A credit note, without what the refunds gave that it names: each of them stands for itself, whichever
    of the two is seen first."""
    found = CaseFound(
        object_kind=CaseObject.CREDIT_NOTE,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=max(row.amount - row.refunded, 0), currency=row.currency),
        invoice=row.invoice_id,
        reason=row.reason,
        status=row.status,
    )
    return Made(row.organization_id, found, row.claims, row.status in GONE)


def of_transaction(row: BalanceTransactionRow) -> list[Made]:
    """A credit on a customer's balance; what invoices and credit notes do there is theirs, and what makes
    the customer owe more gives nothing."""
    if row.type != ADJUSTMENT or row.amount >= 0:
        return []
    found = CaseFound(
        object_kind=CaseObject.BALANCE_TRANSACTION,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=-row.amount, currency=row.currency),
    )
    return [Made(row.organization_id, found, row.claims, gone=False)]


async def claiming(session: AsyncSession, effect: str) -> list[MoneyRow]:
    """What says of itself that this effect made it, though no intent knows it."""

    async def unowned(table: type[OneKind]) -> list[OneKind]:
        found = await session.exec(
            select(table).where(table.claims == effect, col(table.operation_id).is_(None))
        )
        return list(found)

    return [
        *await unowned(RefundRow),
        *await unowned(CreditNoteRow),
        *await unowned(BalanceTransactionRow),
    ]
