"""One customer, one invoice: everything that is known of it, in few queries."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.money.credit_lines import left_of
from db.core.clock import utc_now
from db.customers import receivables
from db.mirror import invoice_detail
from db.mirror.invoice_detail import InvoiceDetail
from db.money import granted_amounts
from db.operations import lists
from db.operations.lists import OperationFilter
from db.portal import links
from db.reminders import facts as reminder_rows
from db.tables import InvoiceLines, Operation

from ..approvals.views import RECENT
from ..http.auth import AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.models import GivenAnswer
from ..http.openapi import answers
from ..money.payments import with_refunds
from ..operations import views as operation_views
from ..portal_admin.customer_settings import known_with_settings, settings_answer
from ..portal_admin.links import link_answer
from ..problems.common import NOT_FOUND
from ..problems.problem import existing
from ..reminders.invoices import next_reminder, pause_answer
from . import views
from .schemas import (
    CustomerDetailAnswer,
    InvoiceDetailAnswer,
    InvoiceLineAnswer,
    ReceivableAnswer,
    RemindersAnswer,
)

router = APIRouter(prefix="/v1", tags=["Customers and invoices"])

MOST_OPERATIONS = 20


@router.get(
    "/customers/{id}",
    summary="Read a customer",
    responses=answers({200: example("customers/customer_detail")}, NOT_FOUND),
)
async def read_customer(id: Id, caller: AnyCaller, context: InContext) -> CustomerDetailAnswer:
    """Contact, settings, balance, what is open and overdue, and what the customer was given lately."""
    at = utc_now()
    async with context.database.reading() as session:
        known, settings = await known_with_settings(session, caller, id)
        owed = await receivables.of_customer(session, caller.organization, id, at)
        granted = await granted_amounts.granted_since(
            session, caller.organization, id, at - RECENT, excluding=""
        )
    return CustomerDetailAnswer(
        **views.customer(known[0]).model_dump(),
        deleted=known[0].deleted,
        settings=settings_answer(known, settings),
        receivables=[ReceivableAnswer.model_validate(one) for one in owed],
        granted=[GivenAnswer.model_validate(one) for one in granted],
    )


@router.get(
    "/invoices/{id}",
    summary="Read an invoice",
    responses=answers({200: example("customers/invoice_detail")}, NOT_FOUND),
)
async def read_invoice(id: Id, caller: AnyCaller, context: InContext) -> InvoiceDetailAnswer:
    """With its lines, payments, refunds, credit notes, portal links and reminders, and the operations about
    it."""
    at = utc_now()
    async with context.database.reading() as session:
        found = existing(await invoice_detail.read(session, caller.organization, id))
        portal_links = await links.of_invoice(session, caller.organization, id)
        reminders = await _reminders(session, context, caller, found, at)
        operations = await _operations(session, caller, found)
    return InvoiceDetailAnswer(
        **views.invoice(found.invoice, found.beside).model_dump(),
        lines=[_line(line, found) for line in found.lines.lines] if found.lines else [],
        lines_complete=_all_lines(found.lines),
        tax_and_discounts=_beside_lines(found),
        payments=[with_refunds(payment, refunds) for payment, refunds in found.payments],
        credit_notes=[views.credit_note(row) for row in found.credit_notes],
        portal_links=[link_answer(link, at) for link in portal_links],
        reminders=reminders,
        promises=[views.promise(row) for row in found.promises],
        operations=[operation_views.operation(row, caller) for row in operations],
        diagnosis=f"/v1/invoices/{id}/access-diagnosis",
    )


async def _reminders(
    session: AsyncSession, context: Context, caller: Caller, found: InvoiceDetail, at: datetime
) -> RemindersAnswer:
    invoice = found.invoice.id
    facts, down = existing(await reminder_rows.of_invoice(session, caller.organization, invoice, at=at))
    coming, why = next_reminder(context, facts, portal_down=down)
    return RemindersAnswer(next=coming, why_none=why, pause=pause_answer(invoice, found.pause))


async def _operations(session: AsyncSession, caller: Caller, found: InvoiceDetail) -> Sequence[Operation]:
    parts = (
        *(payment.id for payment, _ in found.payments),
        *(refund.id for _, refunds in found.payments for refund in refunds),
        *(note.id for note in found.credit_notes),
    )
    wanted = OperationFilter(object_ids=(found.invoice.id, *parts))
    page = await lists.operations(caller.organization, wanted).page(session, limit=MOST_OPERATIONS)
    return page.rows


def _beside_lines(found: InvoiceDetail) -> Money | None:
    if found.lines is None or not found.lines.complete:
        return None
    currency = found.invoice.currency
    total = Money(amount_minor=found.invoice.total, currency=currency)
    lines = (Money(amount_minor=line["amount"], currency=currency) for line in found.lines.lines)
    return total - sum(lines, Money.zero(currency))


def _all_lines(lines: InvoiceLines | None) -> bool:
    return lines is not None and lines.complete


def _line(line: dict[str, Any], found: InvoiceDetail) -> InvoiceLineAnswer:
    billed = Money(amount_minor=line["amount"], currency=found.invoice.currency)
    return InvoiceLineAnswer(
        id=line.get("id"),
        description=line["description"],
        quantity=line["quantity"],
        amount=billed,
        creditable=_creditable(line.get("id"), billed, found),
        period_start=datetime.fromtimestamp(line["period_start"], UTC),
        period_end=datetime.fromtimestamp(line["period_end"], UTC),
    )


def _creditable(line: str | None, billed: Money, found: InvoiceDetail) -> Money | None:
    notes = [note.lines for note in found.credit_notes if note.status == "issued"]
    if line is None or None in notes:
        return None
    return left_of(billed, [one["amount"] for taken in notes for one in taken or () if one["line"] == line])
