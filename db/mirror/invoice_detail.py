"""Everything that the mirror has of one invoice, in three queries."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..tables import (
    CreditNoteRow,
    Customer,
    Invoice,
    InvoiceLines,
    PaymentPromise,
    PaymentRow,
    RefundRow,
    ReminderPause,
)
from .lists import BesideInvoice, last_reminder


class InvoiceDetail(NamedTuple):
    """`payments` each with its refunds; all of them the oldest first."""

    invoice: Invoice
    beside: BesideInvoice
    lines: InvoiceLines | None
    pause: ReminderPause | None
    promises: Sequence[PaymentPromise]
    """The newest first."""
    payments: Sequence[tuple[PaymentRow, list[RefundRow]]]
    credit_notes: Sequence[CreditNoteRow]


async def read(session: AsyncSession, organization_id: str, invoice_id: str) -> InvoiceDetail | None:
    """The invoice, if it is this organization's."""
    found = await session.exec(
        select(  # type: ignore[call-overload]
            Invoice,
            func.coalesce(Customer.name, Customer.email),
            last_reminder(),
            InvoiceLines,
            ReminderPause,
            PaymentPromise,
        )
        .join(Customer, col(Customer.id) == Invoice.customer_id, isouter=True)
        .join(InvoiceLines, col(InvoiceLines.invoice_id) == Invoice.id, isouter=True)
        .join(ReminderPause, col(ReminderPause.invoice_id) == Invoice.id, isouter=True)
        .join(PaymentPromise, col(PaymentPromise.invoice_id) == Invoice.id, isouter=True)
        .where(Invoice.id == invoice_id, Invoice.organization_id == organization_id)
        .order_by(col(PaymentPromise.promised_at).desc(), col(PaymentPromise.id).desc())
    )
    rows = found.all()
    if not rows:
        return None
    invoice, name, reminded_at, lines, pause, _ = rows[0]
    return InvoiceDetail(
        invoice,
        BesideInvoice(name, reminded_at),
        lines,
        pause,
        [promise for *_, promise in rows if promise is not None],
        await _payments(session, invoice_id),
        await _credit_notes(session, invoice_id),
    )


async def _payments(session: AsyncSession, invoice_id: str) -> list[tuple[PaymentRow, list[RefundRow]]]:
    found = await session.exec(
        select(PaymentRow, RefundRow)
        .join(RefundRow, col(RefundRow.payment_intent) == PaymentRow.id, isouter=True)
        .where(PaymentRow.invoice_id == invoice_id)
        .order_by(
            col(PaymentRow.created_at), col(PaymentRow.id), col(RefundRow.created_at), col(RefundRow.id)
        )
    )
    refunds: dict[str, tuple[PaymentRow, list[RefundRow]]] = {}
    for payment, refund in found:
        of_payment = refunds.setdefault(payment.id, (payment, []))[1]
        of_payment += [refund] if refund is not None else []
    return list(refunds.values())


async def _credit_notes(session: AsyncSession, invoice_id: str) -> list[CreditNoteRow]:
    found = await session.exec(
        select(CreditNoteRow)
        .where(CreditNoteRow.invoice_id == invoice_id)
        .order_by(col(CreditNoteRow.created_at), col(CreditNoteRow.id))
    )
    return list(found)
