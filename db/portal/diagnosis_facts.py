"""What the records know of a customer's way to an invoice, for the diagnosis."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.portal.access_facts import AccessFacts, BlockFact, LinkFact, MailFact, VisitFact
from billing.portal.networks import verdict

from ..incidents import incidents
from ..tables import Customer, CustomerMail, CustomerSettings, Invoice, PayLink, PortalAccess, PortalNetwork
from . import links as portal_links
from . import networks

MAX_ROWS = 50
"""Visits and mails that are looked at: the latest ones say what is wrong."""


async def read(session: AsyncSession, invoice: Invoice, at: datetime) -> AccessFacts:
    """All of it as of now; nothing of a token is among it."""
    customer = await session.get(Customer, invoice.customer_id)
    settings = await session.get(CustomerSettings, invoice.customer_id)
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
        pay_link_until=await _pay_link_until(session, invoice),
        portal_down_since=await incidents.degraded_since(session, "portal"),
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
    refused = []
    for address in sorted(addresses):
        now = verdict(address, *rules)
        if not now.allowed:
            refused.append(await _block(session, address, now.rule.id if now.rule else None))
    return tuple(refused)


async def _block(session: AsyncSession, address: str, rule_id: str | None) -> BlockFact:
    rule = await session.get(PortalNetwork, rule_id) if rule_id else None
    return BlockFact(address=address, rule=rule_id, since=rule.created_at if rule else None)


async def _pay_link_until(session: AsyncSession, invoice: Invoice) -> datetime | None:
    found = await session.exec(
        select(PayLink.expires_at)
        .where(PayLink.invoice_id == invoice.id, PayLink.organization_id == invoice.organization_id)
        .order_by(col(PayLink.read_at).desc())
        .limit(1)
    )
    return found.first()
