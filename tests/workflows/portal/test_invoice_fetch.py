"""Somebody waits for an invoice's pay link or PDF: through the API, the worker and Stripe, and back."""

import hashlib

from sqlmodel import select

from db.tables import PayLink

from ...support import money
from ...support.builders import Tenant, a_customer, an_invoice, store
from ...support.house import House
from ..conftest import ON_BOTH_DATABASES


async def billed(home: House, tenant: Tenant, *, paid: bool = False) -> str:
    """An invoice in Stripe that our mirror knows as open."""
    customer = await money.customer(home.shop, tenant)
    invoice = await money.invoice(home.shop, customer, 5000, paid=paid)
    mirrored = a_customer(tenant.id, id=customer)
    await store(home.database, mirrored, an_invoice(mirrored, id=invoice, status="open"))
    return invoice


@ON_BOTH_DATABASES
async def test_a_pay_link_comes_fresh_from_stripe(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    invoice = await billed(home, acme)

    answer = await home.post(acme.admin, f"/v1/invoices/{invoice}/pay-link", {})

    now = await home.shop.client.v1.invoices.retrieve_async(invoice)
    assert (answer.status_code, answer.json()["url"]) == (200, now.hosted_invoice_url)
    async with home.database.reading() as session:
        [kept] = await session.exec(select(PayLink))
    assert (kept.invoice_id, kept.requested_by) == (invoice, acme.admin.id)


async def test_nothing_is_to_be_paid_on_what_stripe_knows_as_paid(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    invoice = await billed(home, acme, paid=True)

    answer = await home.post(acme.admin, f"/v1/invoices/{invoice}/pay-link", {})

    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")
    assert (await home.get(acme.admin, f"/v1/invoices/{invoice}"))["status"] == "paid"


@ON_BOTH_DATABASES
async def test_a_pdf_is_fetched_kept_and_served(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    invoice = await billed(home, acme)

    answer = await home.post(acme.admin, f"/v1/invoices/{invoice}/pdf", {})

    assert answer.status_code == 200
    fetched = answer.json()
    served = await home.http.get(fetched["url"], headers=acme.auditor.headers)
    assert served.content.startswith(b"%PDF-")
    assert hashlib.sha256(served.content).hexdigest() == fetched["sha256"]
    assert len(served.content) == fetched["size"]
