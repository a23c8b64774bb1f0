"""What the mirror takes over of payments, refunds and credit notes, a page at a time."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import select
from temporalio.testing import ActivityEnvironment

from activities.mirror import money_pages
from activities.mirror import pages as mirror_pages
from activities.mirror.mirror import Mirror, PageQuery
from db.core.session import Database
from db.mirror import mirror
from db.tables import CreditNoteRow, PaymentRow, Reconciliation, RefundRow

from ...support import money
from ...support.builders import Tenant, an_intent, an_operation, store
from ...support.case_rules import case_rules
from ...support.shop import APRIL, Shop
from .test_pages import stored


async def known_customer(shop: Shop, database: Database, tenant: Tenant) -> str:
    """One of the organization's, whom the mirror has."""
    made = await money.customer(shop, tenant)
    await mirror_pages.customers_page(shop.access(database))
    return made


async def a_stranger(shop: Shop) -> str:
    return (await shop.client.v1.customers.create_async({"name": "Nobody's"})).id


async def test_payments_are_those_that_succeeded_of_known_customers(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    known = await known_customer(shop, database, tenant)
    payment = await money.pay(shop, known, 5000)
    await shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 700})
    await money.pay(shop, await a_stranger(shop), 600)
    await shop.client.v1.payment_intents.create_async({"amount": 900, "currency": "usd", "customer": known})

    assert (await money_pages.payments_page(shop.access(database)))[:2] == (1, None)

    [row] = await stored(database, PaymentRow)
    assert (row.id, row.organization_id, row.customer_id, row.invoice_id) == (
        payment,
        tenant.id,
        known,
        None,
    )
    assert (row.amount, row.amount_refunded, row.currency, row.status) == (5000, 700, "usd", "succeeded")
    assert row.charge.startswith("ch_")
    assert row.created_at.timestamp() == APRIL


async def test_payments_are_tied_to_their_invoices_and_stay_so(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    known = await known_customer(shop, database, tenant)
    invoice = await money.invoice(shop, known, 5000, paid=True)
    payment = await money.payment_of(shop, invoice)
    alone = await money.pay(shop, known, 300)
    await mirror_pages.invoices_page(shop.access(database))
    await money_pages.payments_page(shop.access(database))

    assert (await money_pages.invoice_payments_page(shop.access(database)))[:2] == (1, None)
    await money_pages.payments_page(shop.access(database))

    assert {row.id: row.invoice_id for row in await stored(database, PaymentRow)} == {
        payment: invoice,
        alone: None,
    }


async def test_refunds_are_those_of_known_customers(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    known = await known_customer(shop, database, tenant)
    payment = await money.pay(shop, known, 5000)
    operation = an_operation(tenant, kind="refund")
    metadata = {"plixo_operation": "op_another", "plixo_effect": "what anybody can write"}
    made = await shop.client.v1.refunds.create_async(
        {"payment_intent": payment, "amount": 700, "reason": "duplicate", "metadata": metadata}
    )
    stranger = await money.pay(shop, await a_stranger(shop), 600)
    await shop.client.v1.refunds.create_async({"payment_intent": stranger})

    intent = an_intent(operation, effect="refund.create", state="done", stripe_id=made.id)
    await store(database, operation, intent)

    assert (await money_pages.refunds_page(shop.access(database)))[:2] == (1, None)

    [row] = await stored(database, RefundRow)
    assert (row.id, row.organization_id, row.customer_id) == (made.id, tenant.id, known)
    assert (row.payment_intent, row.amount, row.currency, row.status, row.reason) == (
        payment,
        700,
        "usd",
        "succeeded",
        "duplicate",
    )
    assert (row.operation_id, row.claims) == (operation.id, "what anybody can write")


async def test_what_a_credit_note_takes_of_which_lines_is_kept(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    invoice = await money.invoice(shop, await known_customer(shop, database, tenant), 5000)
    [line] = (await shop.client.v1.invoices.retrieve_async(invoice)).lines.data
    custom: Any = {"type": "custom_line_item", "description": "x", "quantity": 1, "unit_amount": 100}
    ours: Any = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 300}
    await shop.client.v1.credit_notes.create_async({"invoice": invoice, "lines": [ours, custom]})
    await money_pages.credit_notes_page(shop.access(database))

    [row] = await stored(database, CreditNoteRow)
    assert row.lines == [{"line": line.id, "amount": 300}]


async def test_credit_notes_are_those_of_known_customers(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    known = await known_customer(shop, database, tenant)
    invoice = await money.invoice(shop, known, 5000)
    made = await shop.client.v1.credit_notes.create_async({"invoice": invoice, "amount": 700})
    theirs = await money.invoice(shop, await a_stranger(shop), 600)
    await shop.client.v1.credit_notes.create_async({"invoice": theirs, "amount": 100})

    assert (await money_pages.credit_notes_page(shop.access(database)))[:2] == (1, None)

    [row] = await stored(database, CreditNoteRow)
    assert (row.id, row.organization_id, row.customer_id, row.invoice_id) == (
        made.id,
        tenant.id,
        known,
        invoice,
    )
    assert (row.number, row.amount, row.currency, row.status) == (made.number, 700, "usd", "issued")
    assert row.operation_id is None


async def test_each_page_continues_where_the_one_before_ended(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_pages, "PAGE", 2)
    tenant = await shop.tenant(database)
    payment = await money.pay(shop, await known_customer(shop, database, tenant), 5000)
    made = [
        (await shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 100})).id
        for _ in range(5)
    ]

    pages = [await money_pages.refunds_page(shop.access(database))]
    while pages[-1].after:
        pages.append(
            await money_pages.refunds_page(shop.access(database), mirror_pages.Place(pages[-1].after))
        )

    assert [page.stored for page in pages] == [2, 2, 1]
    assert {row.id for row in await stored(database, RefundRow)} == set(made)


async def test_a_reading_never_overwrites_a_newer_one(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    payment = await money.pay(shop, await known_customer(shop, database, tenant), 5000)
    await shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 700})
    await money_pages.refunds_page(shop.access(database))
    async with database.transaction() as session:
        row = (await session.exec(select(RefundRow))).one()
        newer = RefundRow(
            **row.model_dump() | {"status": "failed", "synced_at": datetime(2100, 1, 1, tzinfo=UTC)}
        )
        await mirror.store_money(session, newer)

    await money_pages.refunds_page(shop.access(database))

    [row] = await stored(database, RefundRow)
    assert row.status == "failed"


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_activities_bring_the_whole_mirror_up_to_date(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    customer = await money.customer(shop, tenant)
    invoice = await money.invoice(shop, customer, 5000, paid=True)
    payment = await money.payment_of(shop, invoice)
    await shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 700})
    await shop.client.v1.credit_notes.create_async({"invoice": invoice, "amount": 300, "credit_amount": 300})
    mirrors = Mirror(shop.client, database, case_rules())
    run = Reconciliation(
        id="rec_1",
        requested_by="system",
        stage="customers",
        workflow_id="reconcile",
        started_at=datetime.now(UTC),
    )
    await store(database, run)

    done = [
        await ActivityEnvironment().run(page, PageQuery(reconciliation="rec_1"))
        for page in (
            mirrors.mirror_customers,
            mirrors.mirror_invoices,
            mirrors.mirror_payments,
            mirrors.mirror_invoice_payments,
            mirrors.mirror_refunds,
            mirrors.mirror_credit_notes,
        )
    ]

    assert [(page.stored, page.after) for page in done] == [(1, None), (2, None), *[(1, None)] * 4]
    [row] = await stored(database, PaymentRow)
    assert (row.id, row.invoice_id, row.amount_refunded) == (payment, invoice, 700)
