"""What Plixo bills an organization: its invoices, and the next one with what waits for it.

No query of what the organization bills its customers finds any of it: the tables are others.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, and_, delete, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.search_terms import SearchTerm

from ..core.pages import PagedRows, order
from ..core.search import contains, is_amount
from ..core.statements import store_reading
from ..tables import Organization, OrganizationInvoice, Renewal
from . import unpaid_bills
from .mirror import DRAFT, deleted_drafts

BillSort = Literal["created_at", "-created_at", "total", "-total", "amount_remaining", "-amount_remaining"]
NOT_ALWAYS_SHOWN = frozenset(["payment_status"])
"""Columns of an invoice in which None says that the reading did not show it."""
_KEYS = {
    "created_at": (col(OrganizationInvoice.created_at), col(OrganizationInvoice.id)),
    # Amounts of several currencies have no order among each other.
    "total": (
        col(OrganizationInvoice.currency),
        col(OrganizationInvoice.total),
        col(OrganizationInvoice.id),
    ),
    "amount_remaining": (
        col(OrganizationInvoice.currency),
        col(OrganizationInvoice.amount_remaining),
        col(OrganizationInvoice.id),
    ),
}


async def subscribers(session: AsyncSession, customers: Collection[str]) -> dict[str, str]:
    """Those of these Stripe customers that are organizations themselves, with the organizations' ids."""
    found = await session.exec(
        select(Organization.stripe_customer, Organization.id).where(
            col(Organization.stripe_customer).in_(customers)
        )
    )
    return dict(found.all())


async def store_invoice(session: AsyncSession, invoice: OrganizationInvoice) -> None:
    """Mirror an invoice as it was read from Stripe at its `synced_at`, and tell of one that is not paid; no
    draft that was deleted since."""
    if invoice.status != DRAFT or not await deleted_drafts(session, [invoice.id]):
        await store_reading(session, invoice, kept=NOT_ALWAYS_SHOWN)
        await unpaid_bills.tell(session, [invoice.id])


async def remove_draft(session: AsyncSession, invoice_id: str, *, read_at: datetime) -> str | None:
    """Take an invoice out that Stripe did not have any more at `read_at`; returns whose it was.

    Only a draft can be deleted there. What was read later stays.
    """
    gone = await session.exec(
        delete(OrganizationInvoice)
        .where(
            col(OrganizationInvoice.id) == invoice_id,
            col(OrganizationInvoice.status) == DRAFT,
            col(OrganizationInvoice.synced_at) <= read_at,
        )
        .returning(col(OrganizationInvoice.organization_id))
        .execution_options(synchronize_session=False)
    )
    owner: str | None = gone.scalar_one_or_none()
    return owner


async def store_renewal(session: AsyncSession, renewal: Renewal) -> None:
    """Mirror what Stripe computed at its `synced_at`."""
    await store_reading(session, renewal)


async def invoice(session: AsyncSession, organization_id: str, invoice_id: str) -> OrganizationInvoice | None:
    """The invoice, if it is one to this organization."""
    found = await session.get(OrganizationInvoice, invoice_id)
    return found if found and found.organization_id == organization_id else None


async def renewal(session: AsyncSession, organization_id: str) -> Renewal | None:
    """None until it was first read from Stripe."""
    return await session.get(Renewal, organization_id)


async def not_read_since(
    session: AsyncSession, at: datetime, after: str | None, limit: int
) -> list[Organization]:
    """Organizations, by id, whose next invoice was not read since `at`."""
    found = await session.exec(
        select(Organization)
        .join(Renewal, col(Renewal.organization_id) == Organization.id, isouter=True)
        .where(or_(col(Renewal.synced_at).is_(None), col(Renewal.synced_at) < at))
        .where(Organization.id > (after or ""))
        .order_by(col(Organization.id))
        .limit(limit)
    )
    return list(found)


@dataclass(frozen=True)
class BillFilter:
    """Which of an organization's own invoices: all that is set has to hold."""

    status: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    term: SearchTerm | None = None

    def conditions(self, organization_id: str) -> list[ColumnElement[bool]]:
        created = col(OrganizationInvoice.created_at)
        wanted = [col(OrganizationInvoice.organization_id) == organization_id]
        if self.status:
            wanted.append(col(OrganizationInvoice.status) == self.status)
        if self.created_after:
            wanted.append(created >= self.created_after)
        if self.created_before:
            wanted.append(created < self.created_before)
        if self.term:
            wanted.append(_found(self.term))
        return wanted


def invoices(
    organization_id: str, wanted: BillFilter = BillFilter(), *, sort: BillSort = "-created_at"
) -> PagedRows[OrganizationInvoice]:
    """The invoices to an organization."""
    rows = select(OrganizationInvoice).where(*wanted.conditions(organization_id))
    return PagedRows(rows, *order(_KEYS, sort))


UNPAID = and_(
    col(OrganizationInvoice.status).in_(("open", "uncollectible")),
    col(OrganizationInvoice.amount_remaining) > 0,
)
"""Something is to be paid on it, now or when Stripe charges the card."""


async def newest_unpaid(session: AsyncSession, organization_id: str) -> OrganizationInvoice | None:
    """The newest invoice to an organization on which something is to be paid."""
    found = await session.exec(
        select(OrganizationInvoice)
        .where(OrganizationInvoice.organization_id == organization_id, UNPAID)
        .order_by(col(OrganizationInvoice.created_at).desc(), col(OrganizationInvoice.id).desc())
        .limit(1)
    )
    return found.first()


def _found(term: SearchTerm) -> ColumnElement[bool]:
    if term.id is not None:
        return col(OrganizationInvoice.id) == term.id
    amounts = (col(OrganizationInvoice.total), col(OrganizationInvoice.amount_remaining))
    return or_(
        contains(col(OrganizationInvoice.number), term),
        is_amount(term, col(OrganizationInvoice.currency), *amounts),
    )
