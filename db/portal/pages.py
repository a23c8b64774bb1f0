"""What the customer's page of an invoice shows, and what it changes; read by the link."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.customers import Correspondent
from billing.mail.languages import is_offered

from ..customers.addresses import written_to
from ..tables import (
    Customer,
    CustomerSettings,
    Invoice,
    InvoiceLines,
    InvoicePdf,
    Organization,
    PortalAccess,
    PortalLink,
)


class CustomerInvoice(NamedTuple):
    """An invoice as its customer sees it."""

    seller: str
    invoice: Invoice
    lines: InvoiceLines | None
    to: Correspondent
    language: str | None
    """In which of our languages the customer is written to; None where nobody has said."""


async def invoice(session: AsyncSession, link: PortalLink) -> Invoice | None:
    """The link's invoice, as it is mirrored now."""
    return await session.get(Invoice, link.invoice_id, populate_existing=True)


async def shown(session: AsyncSession, link: PortalLink) -> CustomerInvoice | None:
    """None when the mirror has no such invoice any more."""
    found = (
        await session.exec(
            select(Organization, Invoice, Customer, CustomerSettings, InvoiceLines)  # type: ignore[call-overload]
            .join(Invoice, col(Invoice.organization_id) == col(Organization.id))
            .join(Customer, col(Customer.id) == Invoice.customer_id)
            .outerjoin(CustomerSettings, col(CustomerSettings.customer_id) == Invoice.customer_id)
            .outerjoin(InvoiceLines, col(InvoiceLines.invoice_id) == Invoice.id)
            .where(Invoice.id == link.invoice_id, Organization.id == link.organization_id)
        )
    ).first()
    if found is None:
        return None
    home, invoice, customer, settings, lines = found
    said = (settings.language if settings else None, customer.language)
    language = next((tag for tag in said if tag and is_offered(tag)), None)
    return CustomerInvoice(home.name, invoice, lines, written_to(home, customer, settings), language)


async def newest_pdf(session: AsyncSession, invoice: Invoice) -> str | None:
    """The stored PDF that was drawn of the invoice as it is mirrored; None when it may have changed since."""
    found = await session.exec(
        select(InvoicePdf.id)
        .where(InvoicePdf.invoice_id == invoice.id, InvoicePdf.fetched_at >= invoice.synced_at)
        .order_by(col(InvoicePdf.fetched_at).desc())
        .limit(1)
    )
    return found.first()


async def noted(session: AsyncSession, invoice_id: str, outcomes: Collection[str], since: datetime) -> int:
    """How many visits to the invoice ended in one of these outcomes, from `since` on."""
    found = await session.exec(
        select(func.count())
        .select_from(PortalAccess)
        .where(
            PortalAccess.invoice_id == invoice_id,
            PortalAccess.at >= since,
            col(PortalAccess.outcome).in_(outcomes),
        )
    )
    return found.one()


async def came_to(session: AsyncSession, access_id: str, outcome: str) -> None:
    """What a visit, noted when it began, came to."""
    await session.exec(
        update(PortalAccess)
        .where(col(PortalAccess.id) == access_id)
        .values(outcome=outcome)
        .execution_options(synchronize_session=False)
    )
