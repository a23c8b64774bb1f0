"""Of an invoice's links one is live at a time, whoever issues them."""

import asyncio
from datetime import datetime, timedelta

from db.core.session import Database
from db.portal import links as portal_links
from db.tables import PortalLink

from ...support.builders import NOW, a_customer, an_invoice, store, tenant


async def test_of_two_who_issue_at_once_the_second_replaces_the_first(database: Database) -> None:
    acme = await tenant(database)
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    await store(database, customer, invoice)

    async def issue() -> PortalLink:
        async with database.transaction() as session:
            return await portal_links.issue(
                session,
                organization_id=acme.id,
                customer_id=customer.id,
                invoice_id=invoice.id,
                by=acme.admin.id,
                reason="issued",
                at=NOW,
                expires_at=NOW + timedelta(days=30),
            )

    await asyncio.gather(*(issue() for _ in range(5)))
    async with database.reading() as session:
        links = await portal_links.of_invoice(session, acme.id, invoice.id)
        live = await portal_links.live(session, invoice.id)
    states = sorted(portal_links.state_of(link, NOW) for link in links)
    assert states == ["live", "replaced", "replaced", "replaced", "replaced"]
    assert live is not None


def test_a_link_dies_at_its_expiry_and_stays_revoked() -> None:
    until = NOW + timedelta(days=1)
    link = a_link(until)
    assert portal_links.state_of(link, until - timedelta(seconds=1)) == "live"
    assert portal_links.state_of(link, until) == "expired"
    link.ended_at, link.end_reason = NOW, "revoked"
    assert portal_links.state_of(link, until) == "revoked"


def a_link(until: datetime) -> PortalLink:
    return PortalLink(
        id="plk_1",
        organization_id="org_1",
        customer_id="cus_1",
        invoice_id="in_1",
        issued_by="system",
        reason="issued",
        created_at=NOW,
        expires_at=until,
    )
