"""Reports that a customer can't open an invoice: at the same moment, and again after it was paid."""

import asyncio

from db.core.session import Database
from db.mirror import mirror
from db.tables import Invoice, Operation, PortalTrouble

from ...support.builders import NOW, Tenant, a_customer, an_invoice, store
from ..conftest import Api, counted


async def an_open_invoice(database: Database, acme: Tenant) -> Invoice:
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    await store(database, customer, invoice)
    return invoice


async def test_reports_with_one_key_at_the_same_moment_are_one(
    api: Api, acme: Tenant, database: Database
) -> None:
    invoice = await an_open_invoice(database, acme)
    body = {"invoice": invoice.id, "description": "They see a blank page."}
    answers = await asyncio.gather(
        *(api.post("/v1/portal-troubles", acme.admin, body, key="one") for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await counted(database, Operation, PortalTrouble) == [1, 1]


async def test_of_reports_at_the_same_moment_the_others_are_told_of_the_first(
    api: Api, acme: Tenant, database: Database
) -> None:
    invoice = await an_open_invoice(database, acme)
    body = {"invoice": invoice.id, "description": "They see a blank page."}
    answers = await asyncio.gather(
        *(api.post("/v1/portal-troubles", acme.admin, body, key=f"key-{n}") for n in range(4))
    )
    [first] = [answer for answer in answers if answer.status_code == 202]
    for other in answers:
        if other is not first:
            assert (other.status_code, other.json()["code"]) == (409, "portal_trouble_open")
            assert other.json()["portal_trouble"] == first.json()["id"]
    assert await counted(database, Operation, PortalTrouble) == [1, 1]


async def test_a_repeated_report_is_answered_though_the_invoice_was_paid_meanwhile(
    api: Api, acme: Tenant, database: Database
) -> None:
    invoice = await an_open_invoice(database, acme)
    body = {"invoice": invoice.id, "description": "They see a blank page."}
    first = await api.post("/v1/portal-troubles", acme.admin, body, key="one")
    async with database.transaction() as session:
        row = await mirror.invoice(session, acme.id, invoice.id)
        assert row is not None
        row.status, row.synced_at = "paid", NOW
        session.add(row)
    again = await api.post("/v1/portal-troubles", acme.admin, body, key="one")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    late = await api.post("/v1/portal-troubles", acme.admin, body, key="two")
    assert (late.status_code, late.json()["code"]) == (409, "invoice_settled")
