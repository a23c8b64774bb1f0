"""Reads payments, refunds, credit notes and disputes from Stripe, a page at a time, of customers that the
mirror has.

As in `pages`: a page is as of the time just before it was read. Rows are written in the order of
their ids, so that two who write never wait for each other. Every function raises StripeError.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import ObjectKind
from billing.stripe.events import EventSubject
from db.cases import money_cases
from db.core.clock import utc_now
from db.mirror import disputes
from db.stripe import ours
from db.tables import CreditNoteRow, Invoice, MoneyRow, PaymentRow, RefundRow

from .objects.dispute import dispute_row
from .objects.invoice import credit_note_row
from .objects.payment import payment_row, refund_row
from .objects.snapshot import Document
from .page_store import RunPage, store_links, store_page, store_rows
from .pages import BEGINNING, MirrorAccess, MirroredPage, Place, documents_of, listed, owners_of

SUBJECTS: Mapping[ObjectKind, EventSubject] = {
    ObjectKind.PAYMENT: EventSubject.PAYMENT,
    ObjectKind.REFUND: EventSubject.REFUND,
    ObjectKind.CREDIT_NOTE: EventSubject.CREDIT_NOTE,
}


async def payments_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the payments that succeeded on one page of all payment intents, with their charges."""

    def row(intent: Document, organization: str, _: str | None, read_at: datetime) -> PaymentRow:
        return payment_row(intent, intent["latest_charge"], organization, read_at, invoice=None)

    read_at = utc_now()
    page = await listed(access.client.v1.payment_intents.list_async, place, expand=["data.latest_charge"])
    paid = [intent for intent in documents_of(page) if intent["status"] == "succeeded"]
    return await _store(access, page, paid, row, ObjectKind.PAYMENT, read_at, of)


async def invoice_payments_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Note on the payments which invoices they paid, by one page of all invoice payments.

    Neither a payment intent nor its charge says so.
    """
    read_at = utc_now()
    page = await listed(access.client.v1.invoice_payments.list_async, place, status="paid")
    paid = [link for link in documents_of(page) if link["payment"].get("payment_intent")]
    async with access.database.reading() as session:
        invoices = {link["invoice"] for link in paid}
        known = set(await session.exec(select(Invoice.id).where(col(Invoice.id).in_(invoices))))

    async def store(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        links = {link["payment"]["payment_intent"]: (link["invoice"], link["id"]) for link in few}
        await store_links(session, links, read_at, of)

    ours = [link for link in paid if link["invoice"] in known]
    return MirroredPage.of(
        await store_page(access.database, EventSubject.INVOICE_PAYMENT, ours, store, of), page
    )


async def refunds_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the refunds of payments on one page of all refunds."""

    def row(refund: Document, organization: str, made_by: str | None, read_at: datetime) -> RefundRow:
        return refund_row(refund, organization, made_by, read_at, customer=refund["customer"])

    read_at = utc_now()
    page = await listed(access.client.v1.refunds.list_async, place)
    of_payments = [refund for refund in documents_of(page) if refund["payment_intent"]]
    return await _store(access, page, of_payments, row, ObjectKind.REFUND, read_at, of)


async def credit_notes_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the credit notes on one page of all."""
    read_at = utc_now()
    page = await listed(access.client.v1.credit_notes.list_async, place)
    return await _store(
        access, page, documents_of(page), credit_note_row, ObjectKind.CREDIT_NOTE, read_at, of
    )


async def disputes_page(
    access: MirrorAccess, place: Place = BEGINNING, of: RunPage | None = None
) -> MirroredPage:
    """Mirror the disputes on one page of all, of payments that the mirror has; one that was lost and that no
    event has told of opens a case."""
    read_at = utc_now()
    page = await listed(access.client.v1.disputes.list_async, place)
    found = [one for one in documents_of(page) if one["payment_intent"]]
    async with access.database.reading() as session:
        wanted = select(PaymentRow).where(col(PaymentRow.id).in_({one["payment_intent"] for one in found}))
        payments = {row.id: row for row in await session.exec(wanted)}

    async def store(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        rows = []
        for one in few:
            payment = payments[one["payment_intent"]]
            rows.append(dispute_row(one, payment.organization_id, read_at, customer=payment.customer_id))
        await store_rows(session, ObjectKind.DISPUTE, rows, of)
        for payment_intent in sorted({row.payment_intent for row in rows}):
            await disputes.stored(session, access.rules, payment_intent)

    known = [one for one in found if one["payment_intent"] in payments]
    return MirroredPage.of(await store_page(access.database, EventSubject.DISPUTE, known, store, of), page)


async def _store(
    access: MirrorAccess,
    page: Any,
    documents: Iterable[Document],
    row: Callable[[Document, str, str | None, datetime], Any],
    kind: ObjectKind,
    read_at: datetime,
    of: RunPage | None,
) -> MirroredPage:
    """Store those whose customer is known; money that nobody of us gave opens a case."""
    found = [document for document in documents if document.get("customer")]
    async with access.database.reading() as session:
        owners = await owners_of(session, {document["customer"] for document in found})
    known = [document for document in found if document["customer"] in owners]

    async def store(session: AsyncSession, few: Sequence[Document], of: RunPage | None) -> None:
        made_by = await ours.makers(session, {document["id"] for document in few})
        rows = [
            row(
                document, owner := owners[document["customer"]], made_by.get((owner, document["id"])), read_at
            )
            for document in few
        ]
        await store_rows(session, kind, rows, of)
        gave: list[MoneyRow] = [one for one in rows if isinstance(one, RefundRow | CreditNoteRow)]
        await money_cases.notice(session, access.rules, gave, read_at)

    return MirroredPage.of(await store_page(access.database, SUBJECTS[kind], known, store, of), page)
