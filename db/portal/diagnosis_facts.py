"""What the records know of a customer's way to an invoice, for the diagnosis."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.portal.access_facts import AccessFacts, BlockFact, LinkFact, MailFact, VisitFact
from billing.portal.networks import verdict

from ..incidents import incidents
from ..tables import Customer, CustomerMail, CustomerSettings, Invoice, PayLink, PortalAccess
from . import links as portal_links
from . import networks

MAX_ROWS = 50
"""Visits and mails that are looked at: the latest ones say what is wrong."""


async def read(session: AsyncSession, invoice: Invoice, at: datetime) -> AccessFacts:
    """All of it as of now; nothing of a token is among it."""
    customer, settings, pay_link_until, portal_down_since = await _at_once(session, invoice)
    links = await portal_links.of_invoice(session, invoice.organization_id, invoice.id)
    visits = await _visits(session, invoice)
    return AccessFacts(
        at=at,
        invoice=invoice.id,
        customer=invoice.customer_id,
        status=invoice.status,
        changed_at=invoice.synced_at,
        address=(customer.email or None) if customer else None,
        bounced_address=settings.bounced_address if settings else None,
        bounced_at=settings.bounced_at if settings else None,
        links=tuple(LinkFact(**link.model_dump(include=set(LinkFact.model_fields))) for link in links),
        visits=tuple(map(_visit, visits)),
        mails=await _mails(session, invoice),
        blocked=await _blocked(session, invoice, {row.address for row in visits if row.outcome == "blocked"}),
        pay_link_until=pay_link_until,
        portal_down_since=portal_down_since,
    )


async def _visits(session: AsyncSession, invoice: Invoice) -> Sequence[PortalAccess]:
    found = await session.exec(
        select(PortalAccess)
        .where(PortalAccess.invoice_id == invoice.id, PortalAccess.organization_id == invoice.organization_id)
        .order_by(col(PortalAccess.at).desc(), col(PortalAccess.id).desc())
        .limit(MAX_ROWS)
    )
    return found.all()


async def _mails(session: AsyncSession, invoice: Invoice) -> tuple[MailFact, ...]:
    found = await session.exec(
        select(CustomerMail)
        .where(
            CustomerMail.invoice_id == invoice.id,
            CustomerMail.organization_id == invoice.organization_id,
            CustomerMail.dry_run == "",
            col(CustomerMail.state).in_(("sent", "bounced")),
        )
        .order_by(col(CustomerMail.settled_at).desc(), col(CustomerMail.id).desc())
        .limit(MAX_ROWS)
    )
    return tuple(
        MailFact(
            id=row.id,
            link=row.link_id,
            at=row.settled_at or row.decided_at,
            state=_state(row),
            address=row.address,
        )
        for row in found
    )


def _visit(row: PortalAccess) -> VisitFact:
    return VisitFact(id=row.id, link=row.link_id, at=row.at, address=row.address, outcome=row.outcome)


def _state(mail: CustomerMail) -> Literal["sent", "bounced"]:
    return "sent" if mail.state == "sent" else "bounced"


async def _blocked(
    session: AsyncSession, invoice: Invoice, addresses: Collection[str]
) -> tuple[BlockFact, ...]:
    """Of the addresses that were refused, those that would be refused now."""
    if not addresses:
        return ()
    rules = await networks.rules_for(session, invoice.organization_id, invoice.customer_id)
    verdicts = {address: verdict(address, *rules) for address in sorted(addresses)}
    refused = {address: now.rule for address, now in verdicts.items() if not now.allowed}
    made = await networks.made_at(session, {rule.id for rule in refused.values() if rule and rule.id})
    return tuple(
        BlockFact(
            address=address, rule=rule.id if rule else None, since=made.get(rule.id or "") if rule else None
        )
        for address, rule in refused.items()
    )


async def _at_once(
    session: AsyncSession, invoice: Invoice
) -> tuple[Customer | None, CustomerSettings | None, datetime | None, datetime | None]:
    """The customer and their settings, until when Stripe's address is good, since when the portal is down."""
    pay_link = (
        select(PayLink.expires_at)
        .where(PayLink.invoice_id == invoice.id, PayLink.organization_id == invoice.organization_id)
        .order_by(col(PayLink.read_at).desc())
        .limit(1)
    )
    down = incidents.since("portal").scalar_subquery()
    found = await session.exec(
        select(Customer, CustomerSettings, pay_link.scalar_subquery(), down)
        .select_from(Invoice)
        .join(Customer, col(Customer.id) == Invoice.customer_id, isouter=True)
        .join(CustomerSettings, col(CustomerSettings.customer_id) == Invoice.customer_id, isouter=True)
        .where(Invoice.id == invoice.id)
    )
    return found.one()
