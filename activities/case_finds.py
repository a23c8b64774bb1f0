"""What was mirrored of money, as far as it may have been given in Stripe itself."""

from typing import Any

from billing.cases import GONE, CaseFound, CaseObject, Made
from billing.money import Money
from db.tables import BalanceTransactionRow, CreditNoteRow, RefundRow

ADJUSTMENT = "adjustment"
"""The type of a balance transaction that somebody made, and not an invoice or a credit note."""


def of_refund(row: RefundRow, new: bool) -> Made:
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
    return Made(row.organization_id, found, row.operation_id, new, row.status in GONE)


def of_credit_note(row: CreditNoteRow, note: dict[str, Any], new: bool) -> Made:
    """A credit note, without what the refunds gave that it names: each of them stands for itself, whichever
    of the two is seen first."""
    refunded = sum(one["amount_refunded"] for one in note.get("refunds") or ())
    found = CaseFound(
        object_kind=CaseObject.CREDIT_NOTE,
        object=row.id,
        made_at=row.created_at,
        customer=row.customer_id,
        amount=Money(amount_minor=max(row.amount - refunded, 0), currency=row.currency),
        invoice=row.invoice_id,
        reason=note.get("reason"),
        status=row.status,
    )
    return Made(row.organization_id, found, row.operation_id, new, row.status in GONE)


def of_transaction(row: BalanceTransactionRow, new: bool) -> list[Made]:
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
    return [Made(row.organization_id, found, row.operation_id, new, gone=False)]
