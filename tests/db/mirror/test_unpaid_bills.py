"""Whom an invoice of Plixo's is told to that was not paid, and what tells of it already."""

from typing import Any

import pytest
from sqlmodel import select

from db.core.session import Database
from db.mirror import unpaid_bills
from db.tables import OrganizationInvoice, Outbox

from ...support.bill_rows import an_organization_invoice
from ...support.builders import NOW, Tenant, an_intent, an_operation, store, tenant


@pytest.fixture
async def acme(database: Database) -> Tenant:
    return await tenant(database)


async def is_told(database: Database, invoice: OrganizationInvoice) -> bool:
    async with database.transaction() as session:
        await unpaid_bills.tell(session, [invoice.id])
    async with database.reading() as session:
        return (await session.exec(select(Outbox.id))).first() is not None


@pytest.mark.parametrize(
    ("change", "effect", "told"),
    [
        ({"result": {"invoice": "in_own"}}, {"state": "done", "result": {"latest_invoice": None}}, False),
        ({"result": {"invoice": "in_other"}}, {"state": "done", "result": {"latest_invoice": None}}, True),
        ({}, {"state": "open"}, False),
        ({}, {"state": "done", "result": {"latest_invoice": "in_own"}}, False),
        ({}, {"state": "done", "result": {"latest_invoice": "in_other"}}, True),
        ({}, {"state": "refused"}, True),
        ({}, {"state": "done", "effect": "schedule.create"}, True),
    ],
)
async def test_an_open_change_tells_of_its_own_invoice_and_of_no_other(
    database: Database, acme: Tenant, change: dict[str, Any], effect: dict[str, Any], told: bool
) -> None:
    operation = an_operation(acme, **change)
    own = an_organization_invoice(
        acme.id, id="in_own", reason="subscription_update", created_at=NOW, synced_at=NOW
    )
    await store(database, operation, an_intent(operation, **effect), own)
    assert await is_told(database, own) is told
