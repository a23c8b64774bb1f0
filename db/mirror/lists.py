"""Lists of what the mirror has: filtered, searched and sorted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, and_, case, func, literal_column, not_, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.search_terms import SearchTerm

from ..core.pages import FirstOf, PagedRows, order
from ..core.search import contains, is_amount, of_customers
from ..tables import (
    BalanceTransactionRow,
    CreditNoteRow,
    Customer,
    CustomerMail,
    Invoice,
    PaymentPromise,
    PaymentRow,
    RefundRow,
)

Given = TypeVar("Given", RefundRow, CreditNoteRow, BalanceTransactionRow)

InvoiceSort = Literal[
    "created_at",
    "-created_at",
    "due_date",
    "-due_date",
    "total",
    "-total",
    "amount_remaining",
    "-amount_remaining",
]
AmountSort = Literal["created_at", "-created_at", "amount", "-amount"]
CustomerSort = Literal["created_at", "-created_at", "name", "-name"]

_INVOICE_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(Invoice.created_at), col(Invoice.id)),
    # What names no date is due at once.
    "due_date": (FirstOf(col(Invoice.due_date), col(Invoice.created_at)), col(Invoice.id)),
    # Amounts of several currencies have no order among each other.
    "total": (col(Invoice.currency), col(Invoice.total), col(Invoice.id)),
    "amount_remaining": (col(Invoice.currency), col(Invoice.amount_remaining), col(Invoice.id)),
}
_CUSTOMER_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(Customer.created_at), col(Customer.id)),
    "name": (col(Customer.folded), col(Customer.id)),
}


@dataclass(frozen=True)
class InvoiceFilter:
    """Which invoices: all that is set has to hold. `overdue_at` is the time at which they are overdue."""

    status: str | None = None
    customer_id: str | None = None
    promised: bool | None = None
    """Whether its customer has promised to pay by a day that has not passed."""
    overdue_at: datetime | None = None
    due_after: datetime | None = None
    due_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    term: SearchTerm | None = None

    def conditions(self, organization_id: str) -> list[ColumnElement[bool]]:
        due, created = col(Invoice.due_date), col(Invoice.created_at)
        wanted = [col(Invoice.organization_id) == organization_id]
        if self.status:
            wanted.append(col(Invoice.status) == self.status)
        if self.customer_id:
            wanted.append(col(Invoice.customer_id) == self.customer_id)
        if self.promised is not None:
            found = col(Invoice.id).in_(_promised(organization_id))
            wanted.append(found if self.promised else not_(found))
        if self.overdue_at:
            wanted.append(_overdue(self.overdue_at))
        if self.due_after:
            wanted.append(due >= self.due_after)
        if self.due_before:
            wanted.append(due < self.due_before)
        if self.created_after:
            wanted.append(created >= self.created_after)
        if self.created_before:
            wanted.append(created < self.created_before)
        if self.term:
            wanted.append(_found_invoices(organization_id, self.term))
        return wanted


ALL = InvoiceFilter()


def _overdue(at: datetime) -> ColumnElement[bool]:
    return and_(col(Invoice.status) == "open", col(Invoice.due_date) < at)


def _promised(organization_id: str) -> Any:
    return select(PaymentPromise.invoice_id).where(
        PaymentPromise.organization_id == organization_id,
        col(PaymentPromise.replaced_at).is_(None),
        col(PaymentPromise.outcome).is_(None),
    )


def invoices(
    organization_id: str,
    wanted: InvoiceFilter = ALL,
    *,
    sort: InvoiceSort = "-created_at",
) -> PagedRows[Invoice]:
    """An organization's invoices."""
    rows = select(Invoice).where(*wanted.conditions(organization_id))
    return PagedRows(rows, *order(_INVOICE_KEYS, sort))


async def named(
    session: AsyncSession, organization_id: str, ids: Collection[str]
) -> list[tuple[Invoice, str | None]]:
    """Those of these invoices that are the organization's, each with what its customer is called."""
    found = await session.exec(
        select(Invoice, func.coalesce(Customer.name, Customer.email))
        .join(Customer, col(Customer.id) == Invoice.customer_id, isouter=True)
        .where(Invoice.organization_id == organization_id, col(Invoice.id).in_(ids))
    )
    return list(found)


async def count_invoices(
    session: AsyncSession, organization_id: str, wanted: InvoiceFilter, at: datetime
) -> dict[str, int]:
    """How many there are by status, `all` together, and `overdue` of the open ones."""
    overdue = func.coalesce(func.sum(case((_overdue(at), 1), else_=0)), 0)
    status: Any = Invoice.status
    if wanted.term:
        # Every row is looked at: not in the order of an index, which takes SQLite twice as long.
        status = col(Invoice.status).op("||")(literal_column("''"))
    found = await session.exec(
        select(status, func.count(), overdue).where(*wanted.conditions(organization_id)).group_by(status)
    )
    rows = found.all()
    return {
        "all": sum(count for _, count, _ in rows),
        "overdue": sum(int(late) for *_, late in rows),
        **{status: count for status, count, _ in rows},
    }


def customers(
    organization_id: str,
    *,
    term: SearchTerm | None = None,
    sort: CustomerSort = "-created_at",
) -> PagedRows[Customer]:
    """An organization's customers that are not deleted."""
    rows = select(Customer).where(
        Customer.organization_id == organization_id, col(Customer.deleted).is_(False)
    )
    if term:
        rows = rows.where(col(Customer.folded).contains(term.text, autoescape=True))
    return PagedRows(rows, *order(_CUSTOMER_KEYS, sort))


async def customer_names(session: AsyncSession, ids: Collection[str]) -> dict[str, str | None]:
    """What these customers are called: by their name, else by their mail address."""
    found = await session.exec(
        select(Customer.id, func.coalesce(Customer.name, Customer.email)).where(col(Customer.id).in_(ids))
    )
    return dict(found.all())


class BesideInvoice(NamedTuple):
    """What a list shows beside an invoice: what its customer is called, by their name, else by their mail
    address, and when they were last reminded of it."""

    customer_name: str | None
    reminded_at: datetime | None


def last_reminder() -> Any:
    """When a reminder of the invoice in question was last sent: part of a statement."""
    mail = CustomerMail
    return (
        select(func.max(mail.settled_at))
        .where(
            mail.invoice_id == Invoice.id,
            mail.template == "reminder",
            mail.state == "sent",
            mail.dry_run == "",
        )
        .correlate(Invoice)
        .scalar_subquery()
    )


async def beside(session: AsyncSession, ids: Collection[str]) -> dict[str, BesideInvoice]:
    """By the invoice's id."""
    found = await session.exec(
        select(Invoice.id, func.coalesce(Customer.name, Customer.email), last_reminder())
        .join(Customer, col(Customer.id) == Invoice.customer_id, isouter=True)
        .where(col(Invoice.id).in_(ids))
    )
    return {id_: BesideInvoice(name, at) for id_, name, at in found}


_REFUNDABLE = and_(
    col(PaymentRow.status) == "succeeded",
    or_(col(PaymentRow.disputed).is_(False), col(PaymentRow.held_by_dispute).is_(False)),
    col(PaymentRow.amount_refunded) < col(PaymentRow.amount),
)


def payments(
    organization_id: str,
    *,
    customer_id: str | None = None,
    invoice_id: str | None = None,
    status: str | None = None,
    refundable: bool | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    term: SearchTerm | None = None,
    sort: AmountSort = "-created_at",
) -> PagedRows[PaymentRow]:
    """An organization's payments; `refundable` is whether something of it can be refunded."""
    rows = select(PaymentRow).where(PaymentRow.organization_id == organization_id)
    if customer_id:
        rows = rows.where(PaymentRow.customer_id == customer_id)
    if invoice_id:
        rows = rows.where(PaymentRow.invoice_id == invoice_id)
    if status:
        rows = rows.where(PaymentRow.status == status)
    if created_after:
        rows = rows.where(col(PaymentRow.created_at) >= created_after)
    if created_before:
        rows = rows.where(col(PaymentRow.created_at) < created_before)
    if refundable is not None:
        rows = rows.where(_REFUNDABLE if refundable else not_(_REFUNDABLE))
    if term:
        rows = rows.where(_found_payments(organization_id, term))
    return PagedRows(rows, *order(_amount_keys(PaymentRow), sort))


def _found_invoices(organization_id: str, term: SearchTerm) -> ColumnElement[bool]:
    id_ = col(Invoice.id)
    if term.id is None:
        return or_(
            contains(col(Invoice.number), term),
            of_customers(col(Invoice.customer_id), organization_id, term),
            is_amount(term, col(Invoice.currency), col(Invoice.total), col(Invoice.amount_remaining)),
        )
    paid_by = select(PaymentRow.invoice_id).where(
        PaymentRow.organization_id == organization_id,
        col(PaymentRow.invoice_id).is_not(None),
        _found_payments(organization_id, term),
    )
    noted = select(CreditNoteRow.invoice_id).where(
        CreditNoteRow.organization_id == organization_id, CreditNoteRow.id == term.id
    )
    return or_(
        id_ == term.id,
        col(Invoice.customer_id) == term.id,
        contains(col(Invoice.number), term),
        id_.in_(paid_by),
        id_.in_(noted),
    )


def _found_payments(organization_id: str, term: SearchTerm) -> ColumnElement[bool]:
    if term.id is None:
        return or_(
            of_customers(col(PaymentRow.customer_id), organization_id, term),
            is_amount(term, col(PaymentRow.currency), col(PaymentRow.amount)),
        )
    refunded = select(RefundRow.payment_intent).where(
        RefundRow.organization_id == organization_id, RefundRow.id == term.id
    )
    return or_(
        col(PaymentRow.id) == term.id,
        col(PaymentRow.charge) == term.id,
        col(PaymentRow.customer_id) == term.id,
        col(PaymentRow.invoice_id) == term.id,
        col(PaymentRow.id).in_(refunded),
    )


def refunds_of(
    organization_id: str, customer_id: str, *, sort: AmountSort = "-created_at"
) -> PagedRows[RefundRow]:
    """What a customer was refunded."""
    return _of_customer(RefundRow, organization_id, customer_id, sort)


def credit_notes_of(
    organization_id: str, customer_id: str, *, sort: AmountSort = "-created_at"
) -> PagedRows[CreditNoteRow]:
    """A customer's credit notes."""
    return _of_customer(CreditNoteRow, organization_id, customer_id, sort)


def balance_transactions_of(
    organization_id: str, customer_id: str, *, sort: AmountSort = "-created_at"
) -> PagedRows[BalanceTransactionRow]:
    """The changes of a customer's balance that we saw."""
    return _of_customer(BalanceTransactionRow, organization_id, customer_id, sort)


def _of_customer(
    table: type[Given], organization_id: str, customer_id: str, sort: AmountSort
) -> PagedRows[Given]:
    rows = select(table).where(table.organization_id == organization_id, table.customer_id == customer_id)
    return PagedRows(rows, *order(_amount_keys(table), sort))


def _amount_keys(table: type[PaymentRow | Given]) -> Mapping[str, tuple[Any, ...]]:
    return {
        "created_at": (col(table.created_at), col(table.id)),
        # Amounts of several currencies have no order among each other.
        "amount": (col(table.currency), col(table.amount), col(table.id)),
    }
