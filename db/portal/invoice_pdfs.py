"""PDFs of invoices as Stripe drew them. What is the same as before is kept once."""

import hashlib
from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from ..core.statements import is_sqlite
from ..tables import Customer, Invoice, InvoicePdf, OrganizationInvoice, new_id


class StoredPdf(NamedTuple):
    """What is known of a stored PDF without its content; `size` is in bytes."""

    id: str
    sha256: str
    size: int
    fetched_at: datetime


_FACTS = (InvoicePdf.id, InvoicePdf.sha256, InvoicePdf.size, InvoicePdf.fetched_at)


async def store(
    session: AsyncSession,
    *,
    organization: str,
    invoice: str,
    content: bytes,
    requested_by: str,
    fetched_at: datetime,
) -> str | None:
    """Keep what was fetched, and give its id: the earlier one's where these bytes were fetched before. None
    where its customer was erased, if only while it was being fetched."""
    await _lock(session, invoice)
    if await _is_of_erased(session, invoice):
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    kept = await session.exec(
        update(InvoicePdf)
        .where(col(InvoicePdf.invoice_id) == invoice, col(InvoicePdf.sha256) == sha256)
        .values(fetched_at=fetched_at, requested_by=requested_by)
        .returning(col(InvoicePdf.id))
        .execution_options(synchronize_session=False)
    )
    if (known := kept.scalar_one_or_none()) is not None:
        return str(known)
    row = InvoicePdf(
        id=new_id("pdf"),
        organization_id=organization,
        invoice_id=invoice,
        sha256=sha256,
        size=len(content),
        content=content,
        fetched_at=fetched_at,
        requested_by=requested_by,
    )
    session.add(row)
    await session.flush()
    return row.id


async def facts(
    session: AsyncSession, organization_id: str, invoice_id: str, pdf_id: str
) -> StoredPdf | None:
    """What is known of a PDF of this organization's invoice."""
    found = await session.exec(
        select(*_FACTS).where(
            InvoicePdf.id == pdf_id,
            InvoicePdf.invoice_id == invoice_id,
            InvoicePdf.organization_id == organization_id,
        )
    )
    row = found.one_or_none()
    return StoredPdf(*row) if row else None


async def content(session: AsyncSession, pdf_id: str) -> bytes:
    """The bytes. Raises NoResultFound when there is none; ask `facts` whose it is before."""
    return (await session.exec(select(InvoicePdf.content).where(InvoicePdf.id == pdf_id))).one()


async def _is_of_erased(session: AsyncSession, invoice_id: str) -> bool:
    """Whoever erases the customer at the same moment waits and then finds what is stored; or this waits."""
    erased = await session.exec(
        select(Customer.erased_at)
        .join(Invoice, col(Invoice.customer_id) == Customer.id)
        .where(Invoice.id == invoice_id)
        .with_for_update(of=Customer, key_share=True)
    )
    return erased.first() is not None


async def _lock(session: AsyncSession, invoice_id: str) -> None:
    """Who stores the same bytes at the same moment waits."""
    if is_sqlite(session):
        return
    for table in (Invoice, OrganizationInvoice):  # it is in one of them
        await session.exec(select(table.id).where(table.id == invoice_id).with_for_update(key_share=True))
