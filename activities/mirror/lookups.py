"""Looks up what the mirror has and Stripe's lists did not show any more, some rows at a time.

Each is stored by itself: what was looked up is not looked up again if the page is done once more.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import stripe
from sqlmodel import col, or_, select

from billing.mirror.reconciliation import ObjectKind
from db.cases import invoice_cases
from db.core.alone import Alone, Unit
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import bills, mirror
from db.mirror.mirror import UnreadableSubscription
from db.tables import Customer, Invoice, Organization, OrganizationInvoice

from ..stripe.failures import concerns_everybody
from .objects.bill import organization_invoice_row, read_renewal
from .objects.customer import CustomerSnapshot, customer_row, named_owner
from .objects.invoice import InvoiceSnapshot, invoice_row, lines_row, with_all_lines
from .objects.subscription import SubscriptionSnapshot, document_or_why_not
from .page_store import (
    MirrorDifference,
    RunPage,
    count,
    note,
    store_invoices,
    store_organization_invoices,
    store_rows,
)
from .pages import MirrorAccess, MirroredPage
from .subscription_pages import store as store_subscriptions

LOOKED_UP = 25
"""Rows that one activity looks up: a request each."""

RENEWAL_KEPT = timedelta(hours=1)
"""So old the reading of a next invoice may be, of which no event has told: each takes two requests."""

Row = TypeVar("Row", Customer, Invoice, Organization, OrganizationInvoice)
T = TypeVar("T")

log = logging.getLogger(__name__)


async def subscriptions(
    access: MirrorAccess, began: datetime, after: str | None, of: RunPage
) -> MirroredPage:
    """Organizations' subscriptions that have ended, or that the list can't give whole."""
    unread = or_(col(Organization.synced_at).is_(None), col(Organization.synced_at) < began)
    async with access.database.reading() as session:
        wanted = select(Organization).where(unread, Organization.id > (after or ""))
        rows = list(await session.exec(wanted.order_by(col(Organization.id)).limit(LOOKED_UP)))

    async def look_up(row: Organization) -> None:
        read_at = utc_now()
        snapshot = await _found(SubscriptionSnapshot.read(access.client, row.stripe_subscription))
        if snapshot is None:
            log.warning("subscription %s of %s does not exist in Stripe", row.stripe_subscription, row.id)
            return
        document = document_or_why_not(snapshot.subscription, row.stripe_customer)
        async with access.database.transaction() as session:
            if isinstance(document, UnreadableSubscription):
                log.warning("the subscription of %s can't be read: %s", row.id, document.problem.message)
                await mirror.store_subscription(session, access.rules, row.id, document, synced_at=read_at)
                return
            page = RunPage(of.reconciliation, row.id)
            await store_subscriptions(session, access.rules, {row.id: document}, read_at, page)

    await _each(access.database, "subscriptions", rows, look_up, lambda row: row.id)
    return _done(rows)


async def customers(access: MirrorAccess, began: datetime, after: str | None, of: RunPage) -> MirroredPage:
    """Customers that were deleted in Stripe, or are no organization's of ours any more: deleted here."""
    async with access.database.reading() as session:
        wanted = select(Customer).where(
            col(Customer.deleted).is_(False), Customer.synced_at < began, Customer.id > (after or "")
        )
        rows = list(await session.exec(wanted.order_by(col(Customer.id)).limit(LOOKED_UP)))

    async def look_up(row: Customer) -> None:
        read_at = utc_now()
        snapshot = await _found(CustomerSnapshot.read(access.client, row.id))
        async with access.database.reading() as session:
            owner = await named_owner(session, snapshot.customer) if snapshot else None
        if snapshot and owner:
            now = customer_row(snapshot.customer, read_at)
        else:
            now = Customer(**row.model_dump() | {"deleted": True, "synced_at": read_at})
        async with access.database.transaction() as session:
            await store_rows(session, ObjectKind.CUSTOMER, [now], RunPage(of.reconciliation, row.id))

    await _each(access.database, "customers", rows, look_up, lambda row: row.organization_id)
    return _done(rows)


async def invoices(access: MirrorAccess, began: datetime, after: str | None, of: RunPage) -> MirroredPage:
    """Invoices that were deleted as drafts in Stripe: removed here, with their lines."""
    async with access.database.reading() as session:
        wanted = select(Invoice).where(Invoice.synced_at < began, Invoice.id > (after or ""))
        rows = list(await session.exec(wanted.order_by(col(Invoice.id)).limit(LOOKED_UP)))

    async def look_up(row: Invoice) -> None:
        read_at = utc_now()
        snapshot = await _found(InvoiceSnapshot.read(access.client, row.id))
        page = RunPage(of.reconciliation, row.id)
        if snapshot is None:
            await _remove(access.database, row, read_at, page)
            return
        whole = await with_all_lines(access.client, snapshot.invoice)
        now = invoice_row(whole, row.organization_id, read_at)
        lines = lines_row(whole, row.organization_id, read_at)
        async with access.database.transaction() as session:
            await store_invoices(session, [now], [lines], page)
            await invoice_cases.notice(session, access.rules, [now.id], read_at)

    await _each(access.database, "invoices", rows, look_up, lambda row: row.organization_id)
    return _done(rows)


async def organization_invoices(
    access: MirrorAccess, began: datetime, after: str | None, of: RunPage
) -> MirroredPage:
    """Likewise of invoices to organizations themselves."""
    async with access.database.reading() as session:
        wanted = select(OrganizationInvoice).where(
            OrganizationInvoice.synced_at < began, OrganizationInvoice.id > (after or "")
        )
        rows = list(await session.exec(wanted.order_by(col(OrganizationInvoice.id)).limit(LOOKED_UP)))

    async def look_up(row: OrganizationInvoice) -> None:
        read_at = utc_now()
        snapshot = await _found(InvoiceSnapshot.read(access.client, row.id))
        page = RunPage(of.reconciliation, row.id)
        if snapshot is None:
            await _remove(access.database, row, read_at, page)
            return
        now = organization_invoice_row(snapshot.invoice, row.organization_id, read_at)
        async with access.database.transaction() as session:
            await store_organization_invoices(session, [now], page)

    await _each(access.database, "invoices", rows, look_up, lambda row: row.organization_id)
    return _done(rows)


async def renewals(
    access: MirrorAccess, began: datetime, after: str | None, _: RunPage | None = None
) -> MirroredPage:
    """Organizations' next invoices that were read long ago, or never. Stripe computes them when it is asked:
    there is nothing of which one could say that the mirror had it otherwise."""
    async with access.database.reading() as session:
        rows = await bills.not_read_since(session, began - RENEWAL_KEPT, after, LOOKED_UP)

    async def look_up(row: Organization) -> None:
        renewal = await read_renewal(access.client, row, utc_now())
        async with access.database.transaction() as session:
            await bills.store_renewal(session, renewal)

    await _each(access.database, "renewals", rows, look_up, lambda row: row.id)
    return _done(rows)


async def _each(
    database: Database,
    what: str,
    rows: list[Row],
    look_up: Callable[[Row], Awaitable[None]],
    organization: Callable[[Row], str],
) -> None:
    """What is wrong with one of them leaves none of the others uncompared."""
    missing = Alone(database, f"missing {what}", concerns_everybody)
    await missing.each(rows, look_up, lambda row: Unit(row.id, organization(row)))


async def _remove(
    database: Database, row: Invoice | OrganizationInvoice, read_at: datetime, of: RunPage
) -> None:
    ours = isinstance(row, OrganizationInvoice)
    kind = ObjectKind.ORGANIZATION_INVOICE if ours else ObjectKind.INVOICE
    remove = bills.remove_draft if ours else mirror.remove_draft
    async with database.transaction() as session:
        if await remove(session, row.id, read_at=read_at) is None:
            return  # read by somebody else meanwhile, or removed by an earlier attempt
        had = row.model_dump(mode="json", exclude={"id", "organization_id", "synced_at"})
        fields = [{"name": name, "ours": value, "stripe": None} for name, value in had.items()]
        found = MirrorDifference(
            kind, row.id, row.organization_id, fields, row.synced_at, "removed", (row.id,)
        )
        await count(session, kind, [row.organization_id], of)
        await note(session, [found], of)


async def _found(read: Awaitable[T]) -> T | None:
    """None when Stripe has no such thing."""
    try:
        return await read
    except stripe.InvalidRequestError as error:
        if error.http_status == 404:
            return None
        raise


def _done(rows: list[Row]) -> MirroredPage:
    return MirroredPage(len(rows), rows[-1].id if len(rows) == LOOKED_UP else None)
