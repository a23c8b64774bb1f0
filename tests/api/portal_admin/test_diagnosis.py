"""The diagnosis over HTTP: it changes nothing, tells no token, and is for the organization's people alone."""

from datetime import UTC, datetime, timedelta

from db.core.session import Database
from db.portal import links as portal_links
from db.tables import PortalAccess, PortalNetwork, new_id

from ...support.builders import Tenant, a_customer, an_invoice, store, tenant
from ..conftest import Api

NOW = datetime.now(UTC)


async def test_it_says_what_keeps_the_customer_out_and_which_network(
    api: Api, database: Database, acme: Tenant
) -> None:
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    rule = PortalNetwork(
        id=new_id("net"),
        organization_id=acme.id,
        action="block",
        network="198.51.100.0/24",
        reason="Scans us",
        created_by=acme.admin.id,
        created_at=NOW - timedelta(days=1),
    )
    await store(database, customer, invoice, rule)
    async with database.transaction() as session:
        link = await portal_links.issue(
            session,
            organization_id=acme.id,
            customer_id=customer.id,
            invoice_id=invoice.id,
            by=acme.admin.id,
            reason="issued",
            at=NOW - timedelta(days=2),
            expires_at=NOW + timedelta(days=28),
        )
        token = await portal_links.add_token(session, link.id, at=NOW)
    visit = PortalAccess(
        id=new_id("pac"),
        organization_id=acme.id,
        customer_id=customer.id,
        invoice_id=invoice.id,
        link_id=link.id,
        at=NOW - timedelta(minutes=5),
        address="198.51.100.9",
        outcome="blocked",
    )
    await store(database, visit)
    answer = await api.post(f"/v1/invoices/{invoice.id}/access-diagnosis", acme.auditor, {})

    assert answer.status_code == 200, answer.text
    cause = answer.json()["findings"][0]
    assert cause["code"] == "blocked_address"
    assert cause["action"]["path"] == f"/v1/portal-networks/{rule.id}"
    assert [row["id"] for row in cause["evidence"]] == [visit.id]
    assert token not in answer.text


async def test_another_organizations_invoice_is_not_found(api: Api, database: Database, acme: Tenant) -> None:
    other = await tenant(database)
    customer = a_customer(other.id)
    invoice = an_invoice(customer)
    await store(database, customer, invoice)
    answer = await api.post(f"/v1/invoices/{invoice.id}/access-diagnosis", acme.admin, {})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
