"""Customers and invoices as the answers that show them."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from db.mirror import lists
from db.mirror.lists import BesideInvoice
from db.tables import BalanceTransactionRow, CreditNoteRow, Customer, CustomerMail, Invoice, PaymentPromise

from ..reminders.runs import decision
from .schemas import (
    BalanceTransactionAnswer,
    CreditNoteAnswer,
    CustomerAnswer,
    CustomerMailAnswer,
    InvoiceAnswer,
    PromiseAnswer,
)


def customer(row: Customer) -> CustomerAnswer:
    balance = Money(amount_minor=row.balance, currency=row.currency) if row.currency else None
    return CustomerAnswer(**row.model_dump(exclude={"balance"}), balance=balance)


def invoice(row: Invoice, beside: BesideInvoice) -> InvoiceAnswer:
    amounts = ("total", "amount_due", "amount_paid", "amount_remaining")
    return InvoiceAnswer(
        **row.model_dump(exclude=set(amounts)),
        customer=row.customer_id,
        customer_name=beside.customer_name,
        reminded_at=beside.reminded_at,
        **{name: Money(amount_minor=getattr(row, name), currency=row.currency) for name in amounts},
    )


def credit_note(row: CreditNoteRow) -> CreditNoteAnswer:
    return CreditNoteAnswer(
        **row.model_dump(exclude={"amount", "refunded", "lines"}),
        invoice=row.invoice_id,
        operation=row.operation_id,
        amount=Money(amount_minor=row.amount, currency=row.currency),
        refunded=Money(amount_minor=row.refunded, currency=row.currency),
    )


def balance_transaction(row: BalanceTransactionRow) -> BalanceTransactionAnswer:
    return BalanceTransactionAnswer(
        **row.model_dump(exclude={"amount", "ending_balance"}),
        operation=row.operation_id,
        amount=Money(amount_minor=row.amount, currency=row.currency),
        ending_balance=Money(amount_minor=row.ending_balance, currency=row.currency),
    )


def mail(row: CustomerMail) -> CustomerMailAnswer:
    return CustomerMailAnswer(
        **decision(row).model_dump(), template=row.template, asked_by=row.asked_by, address=row.address
    )


def promise(row: PaymentPromise) -> PromiseAnswer:
    return PromiseAnswer(
        **row.model_dump(include={"day", "word", "promised_at", "settled_at"}),
        amount=Money(amount_minor=row.amount_minor, currency=row.currency),
        state="replaced" if row.replaced_at else row.outcome or "open",
    )


async def invoices(session: AsyncSession, rows: Sequence[Invoice]) -> list[InvoiceAnswer]:
    """With what is shown beside them, which takes one query."""
    beside = await lists.beside(session, {row.id for row in rows})
    return [invoice(row, beside[row.id]) for row in rows]
