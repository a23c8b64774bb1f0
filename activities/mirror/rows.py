"""The mirror's rows of payments, refunds, credit notes and balances, made of Stripe's documents.

Each takes the organization whose customer it is, the operation of the intent that made it, and the time just
before Stripe was asked: what is read later overwrites what was read earlier, and never the other way round.
"""

from datetime import UTC, datetime
from typing import Any

from billing.stripe.effects import EFFECT_MARK
from db.tables import BalanceTransactionRow, CreditNoteRow, PaymentRow, RefundRow


def payment_row(
    intent: dict[str, Any],
    charge: dict[str, Any] | None,
    *,
    organization: str,
    invoice: str | None,
    synced_at: datetime,
) -> PaymentRow:
    """The row of a payment intent of a customer, with the charge that paid it."""
    charge = charge or {}
    return PaymentRow(
        id=intent["id"],
        organization_id=organization,
        customer_id=intent["customer"],
        invoice_id=invoice,
        charge=charge.get("id"),
        currency=intent["currency"],
        amount=charge.get("amount_captured") or intent["amount"],
        amount_refunded=charge.get("amount_refunded", 0),
        disputed=charge.get("disputed", False),
        status=intent["status"],
        created_at=_time(intent["created"]),
        synced_at=synced_at,
    )


def refund_row(
    refund: dict[str, Any],
    *,
    organization: str,
    customer: str | None,
    operation: str | None,
    synced_at: datetime,
) -> RefundRow:
    """The row of a refund of a payment intent."""
    return RefundRow(
        id=refund["id"],
        organization_id=organization,
        customer_id=customer,
        payment_intent=refund["payment_intent"],
        operation_id=operation,
        claims=claim_of(refund),
        amount=refund["amount"],
        currency=refund["currency"],
        status=refund["status"],
        reason=refund.get("reason"),
        failure_reason=refund.get("failure_reason"),
        created_at=_time(refund["created"]),
        synced_at=synced_at,
    )


def credit_note_row(
    note: dict[str, Any], *, organization: str, operation: str | None, synced_at: datetime
) -> CreditNoteRow:
    """The row of a credit note."""
    return CreditNoteRow(
        id=note["id"],
        organization_id=organization,
        customer_id=note["customer"],
        invoice_id=note["invoice"],
        operation_id=operation,
        claims=claim_of(note),
        number=note["number"],
        amount=note["amount"],
        refunded=sum(one["amount_refunded"] for one in note.get("refunds") or ()),
        currency=note["currency"],
        status=note["status"],
        reason=note.get("reason"),
        created_at=_time(note["created"]),
        synced_at=synced_at,
    )


def balance_transaction_row(
    transaction: dict[str, Any], *, organization: str, operation: str | None, synced_at: datetime
) -> BalanceTransactionRow:
    """The row of a change of a customer's balance; one that a credit note made is of the note's operation."""
    return BalanceTransactionRow(
        id=transaction["id"],
        organization_id=organization,
        customer_id=transaction["customer"],
        operation_id=operation,
        claims=claim_of(transaction),
        amount=transaction["amount"],
        currency=transaction["currency"],
        type=transaction["type"],
        ending_balance=transaction["ending_balance"],
        created_at=_time(transaction["created"]),
        synced_at=synced_at,
    )


def claim_of(document: dict[str, Any]) -> str | None:
    """The effect of ours that the object's metadata names, which anybody can write there."""
    found = (document.get("metadata") or {}).get(EFFECT_MARK)
    return str(found) if found else None


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
