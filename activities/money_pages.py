"""Reads payments, refunds and credit notes from Stripe, a page at a time, of customers that the mirror has.

As in `mirror_pages`: a page is as of the time just before it was read. Rows are written in the order of
their ids, so that two who write never wait for each other. Every function raises StripeError.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import stripe
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases import Made
from db import case_notice, mirror
from db.session import Database
from db.tables import CreditNoteRow, Customer, Invoice, PaymentRow, RefundRow

from . import case_finds
from .mirror_pages import PAGE, Mirrored
from .money_rows import credit_note_row, payment_row, refund_row

Document = dict[str, Any]
Row = TypeVar("Row")


async def payments_page(
    client: stripe.StripeClient, database: Database, after: str | None = None
) -> Mirrored:
    """Mirror the payments that succeeded on one page of all payment intents, with their charges."""

    def row(intent: Document, organization: str, read_at: datetime) -> Any:
        charge = intent.pop("latest_charge")
        return payment_row(intent, charge, organization=organization, invoice=None, synced_at=read_at)

    params: Any = _page(after) | {"expand": ["data.latest_charge"]}
    read_at = datetime.now(UTC)
    page = await client.v1.payment_intents.list_async(params)
    paid = [intent for intent in _documents(page) if intent["status"] == "succeeded"]
    return await _store(database, page, paid, row, _store_payment, read_at)


async def invoice_payments_page(
    client: stripe.StripeClient, database: Database, after: str | None = None
) -> Mirrored:
    """Note on the payments which invoices they paid, by one page of all invoice payments.

    Neither a payment intent nor its charge says so.
    """
    params: Any = _page(after) | {"status": "paid"}
    page = await client.v1.invoice_payments.list_async(params)
    paid = {
        payment_intent: link["invoice"]
        for link in _documents(page)
        if (payment_intent := link["payment"].get("payment_intent"))
    }
    async with database.transaction() as session:
        known = set(await session.exec(select(Invoice.id).where(col(Invoice.id).in_(paid.values()))))
        links = {payment_intent: invoice for payment_intent, invoice in paid.items() if invoice in known}
        await mirror.link_payments(session, links)
    return Mirrored(len(links), _next(page))


async def refunds_page(client: stripe.StripeClient, database: Database, after: str | None = None) -> Mirrored:
    """Mirror the refunds of payments on one page of all refunds."""

    def row(refund: Document, organization: str, read_at: datetime) -> Any:
        customer = refund["customer"]
        return refund_row(refund, organization=organization, customer=customer, synced_at=read_at)

    read_at = datetime.now(UTC)
    page = await client.v1.refunds.list_async(_page(after))
    of_payments = [refund for refund in _documents(page) if refund["payment_intent"]]
    return await _store(database, page, of_payments, row, _store_refund, read_at)


async def credit_notes_page(
    client: stripe.StripeClient, database: Database, after: str | None = None
) -> Mirrored:
    """Mirror the credit notes on one page of all."""

    def row(note: Document, organization: str, read_at: datetime) -> Any:
        return credit_note_row(note, organization=organization, synced_at=read_at)

    read_at = datetime.now(UTC)
    page = await client.v1.credit_notes.list_async(_page(after))
    return await _store(database, page, _documents(page), row, _store_credit_note, read_at)


async def _store_payment(session: AsyncSession, payment: PaymentRow, _: Document) -> list[Made]:
    await mirror.store_payment(session, payment)
    return []


async def _store_refund(session: AsyncSession, refund: RefundRow, _: Document) -> list[Made]:
    return [case_finds.of_refund(refund, await mirror.store_refund(session, refund))]


async def _store_credit_note(session: AsyncSession, note: CreditNoteRow, document: Document) -> list[Made]:
    return [case_finds.of_credit_note(note, document, await mirror.store_credit_note(session, note))]


async def _store(
    database: Database,
    page: Any,
    documents: Iterable[Document],
    row: Callable[[Document, str, datetime], Row],
    store: Callable[[AsyncSession, Row, Document], Awaitable[list[Made]]],
    read_at: datetime,
) -> Mirrored:
    """Store those whose customer is known; money that nobody of us gave opens a case."""
    found = sorted((d for d in documents if d.get("customer")), key=lambda document: str(document["id"]))
    stored, made = 0, list[Made]()
    async with database.transaction() as session:
        owners = await _owners(session, {document["customer"] for document in found})
        for document in found:
            if owner := owners.get(document["customer"]):
                made += await store(session, row(document, owner, read_at), document)
                stored += 1
        await case_notice.notice(session, made, read_at)
    return Mirrored(stored, _next(page))


async def _owners(session: AsyncSession, customers: Iterable[str]) -> dict[str, str]:
    known = select(Customer.id, Customer.organization_id).where(col(Customer.id).in_(customers))
    return dict((await session.exec(known)).all())


def _page(after: str | None) -> Any:
    return {"limit": PAGE, "starting_after": after} if after else {"limit": PAGE}


def _documents(page: Any) -> list[Document]:
    return [one.to_dict() for one in page.data]


def _next(page: Any) -> str | None:
    return str(page.data[-1].id) if page.has_more else None
