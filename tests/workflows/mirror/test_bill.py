"""What Plixo bills an organization is in our records as in Stripe, apart from its customers' invoices."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from billing.mirror.reconciliation import ReconcileInput
from db.core.clock import utc_now
from db.mirror import bills, renewals
from db.tables import (
    Customer,
    Invoice,
    InvoiceLines,
    OrganizationInvoice,
    Outbox,
    PaymentRow,
    Renewal,
    StripeEvent,
    StripeEventCheck,
)
from workflows.core import ids

from ...support import money
from ...support.bill_rows import an_organization_invoice
from ...support.builders import Tenant, store
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES

DAY = 86_400
TO_CUSTOMERS = (Customer, Invoice, InvoiceLines, PaymentRow)
AMOUNTS = ("total", "amount_due", "amount_paid", "amount_remaining")


@pytest.fixture
async def acme(home: House) -> Tenant:
    now = datetime.now(UTC)
    await store(home.database, StripeEventCheck(id="account", complete_until=now, checked_at=now))
    return await home.shop.tenant(home.database)


@pytest.fixture
async def told(home: House, acme: Tenant) -> AsyncIterator[None]:
    async with home.told_by_stripe():
        yield


async def rows(home: House, table: type[Any]) -> list[Any]:
    async with home.database.reading() as session:
        return list(await session.exec(select(table)))


async def the_bill_is_as_in_stripe(home: House, tenant: Tenant) -> None:
    v1 = home.shop.client.v1
    invoices = {str(one.id): one for one in await home.shop.invoices(tenant)}
    mirrored = {row.id: row for row in await rows(home, OrganizationInvoice)}
    assert set(mirrored) == set(invoices)
    for id_, row in mirrored.items():
        said = invoices[id_].to_dict()
        assert row.organization_id == tenant.id
        assert {name: getattr(row, name) for name in (*AMOUNTS, "status", "number")} == {
            name: said[name] for name in (*AMOUNTS, "status", "number")
        }
        assert [line["amount"] for line in row.lines] == [line["amount"] for line in said["lines"]["data"]]
    preview = await v1.invoices.create_preview_async(
        {"subscription": tenant.organization.stripe_subscription}
    )
    items = await v1.invoice_items.list_async(
        {"customer": tenant.organization.stripe_customer, "pending": True}
    )
    [renewal] = await rows(home, Renewal)
    assert renewal.organization_id == tenant.id
    assert renewal.invoice["amount_due"] == preview.amount_due
    assert [line["amount"] for line in renewal.invoice["lines"]] == [
        line.amount for line in preview.lines.data
    ]
    waiting = [item.id for item in reversed(items.data)]
    assert [item["id"] for item in renewal.items] == waiting
    assert [line["pending_item"] for line in renewal.invoice["lines"] if line["pending_item"]] == waiting
    for table in TO_CUSTOMERS:
        assert await rows(home, table) == [], table


async def a_month(home: House, tenant: Tenant) -> None:
    """More seats on the next invoice, an item by hand, one that is taken away again, and a renewal."""
    v1, organization = home.shop.client.v1, tenant.organization
    item = (await home.shop.subscription(tenant)).to_dict()["items"]["data"][0]["id"]
    await v1.subscriptions.update_async(
        organization.stripe_subscription,
        {"items": [{"id": item, "quantity": 9}], "proration_behavior": "create_prorations"},
    )
    for amount in (500, 700):
        made = await v1.invoice_items.create_async(
            {"customer": organization.stripe_customer, "amount": amount, "currency": "usd"}
        )
    await v1.invoice_items.delete_async(made.id)


@ON_BOTH_DATABASES
@pytest.mark.parametrize("mode", ["normal", "duplicate", "reorder"])
async def test_whatever_order_events_come_in_the_bill_is_as_in_stripe(
    home: House, acme: Tenant, told: None, mode: str
) -> None:
    home.stand_in.webhooks(mode=mode)
    await a_month(home, acme)
    await home.followed()
    await the_bill_is_as_in_stripe(home, acme)
    home.stand_in.advance(31 * DAY)
    await home.followed()
    await the_bill_is_as_in_stripe(home, acme)
    assert len(await rows(home, OrganizationInvoice)) == 2


async def test_what_a_lost_event_said_is_learnt_from_the_next_one(
    home: House, acme: Tenant, told: None
) -> None:
    home.stand_in.webhooks(mode="drop")
    await a_month(home, acme)
    home.stand_in.webhooks(mode="normal")
    await home.shop.client.v1.invoice_items.create_async(
        {"customer": acme.organization.stripe_customer, "amount": -100, "currency": "usd"}
    )
    await home.followed()
    await the_bill_is_as_in_stripe(home, acme)


async def test_a_renewal_whose_charge_fails_needs_somebody(home: House, acme: Tenant, told: None) -> None:
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    home.stand_in.advance(31 * DAY)
    await home.followed()
    page = await home.get(acme.finance, "/v1/organization/invoices")
    assert [(one["status"], one["needs_payment"]) for one in page["data"]] == [
        ("open", True),
        ("paid", False),
    ]
    own = page["data"][0]["id"]
    link = await home.post(acme.admin, f"/v1/organization/invoices/{own}/pay-link", {})
    now = await home.shop.client.v1.invoices.retrieve_async(own)
    assert (link.status_code, link.json()["url"]) == (200, now.hosted_invoice_url)
    pdf = await home.post(acme.admin, f"/v1/organization/invoices/{own}/pdf", {})
    served = await home.http.get(pdf.json()["url"], headers=acme.auditor.headers)
    assert served.content.startswith(b"%PDF-")
    # The same address for customers' invoices knows nothing of it.
    assert (await home.post(acme.admin, f"/v1/invoices/{own}/pay-link", {})).status_code == 404
    assert await rows(home, Invoice) == []


async def test_a_customers_invoice_is_none_of_the_organizations_own(
    home: House, acme: Tenant, told: None
) -> None:
    other = await home.shop.tenant(home.database)
    await home.followed()
    customer = await money.customer(home.shop, acme)
    invoice = await money.invoice(home.shop, customer, 5000)
    await home.followed()
    assert [row.id for row in await rows(home, Invoice)] == [invoice]
    assert {row.organization_id for row in await rows(home, OrganizationInvoice)} == {acme.id, other.id}
    answer = await home.post(acme.admin, f"/v1/organization/invoices/{invoice}/pay-link", {})
    assert answer.status_code == 404
    items = [row.state for row in await rows(home, StripeEvent) if row.type == "invoiceitem.created"]
    assert items == ["ignored"], "what a customer will be billed is on their invoice"


async def test_an_organization_is_nobodys_customer_whatever_its_metadata_says(
    home: House, acme: Tenant, told: None
) -> None:
    other = await home.shop.tenant(home.database)
    v1, customer = home.shop.client.v1, acme.organization.stripe_customer
    await v1.customers.update_async(customer, {"metadata": {"plixo_organization": other.id}})
    await money.pay(home.shop, customer, 900)
    home.stand_in.advance(31 * DAY)
    await home.followed()
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-1", task_queue=ids.MAIN_QUEUE
    )
    for table in TO_CUSTOMERS:
        assert await rows(home, table) == [], table


@ON_BOTH_DATABASES
async def test_reconciliation_finds_what_no_event_has_told(home: House, acme: Tenant) -> None:
    await a_month(home, acme)
    home.stand_in.advance(31 * DAY)
    draft = await home.shop.client.v1.invoices.create_async(
        {"customer": acme.organization.stripe_customer, "auto_advance": False}
    )
    async with home.database.transaction() as session:
        [renewal] = await session.exec(select(Renewal))
        renewal.synced_at -= timedelta(hours=2)
        session.add(renewal)
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-1", task_queue=ids.MAIN_QUEUE
    )
    assert draft.id in {row.id for row in await rows(home, OrganizationInvoice)}
    await home.shop.client.v1.invoices.delete_async(str(draft.id))
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-2", task_queue=ids.MAIN_QUEUE
    )
    await the_bill_is_as_in_stripe(home, acme)
    found = await home.get(acme.auditor, "/v1/differences")
    corrections = [(one["object_kind"], one["correction"]) for one in found["data"]]
    assert sorted(corrections) == [
        ("organization_invoice", "added"),
        ("organization_invoice", "added"),
        ("organization_invoice", "removed"),
        ("subscription", "overwritten"),
    ]


async def test_a_draft_that_is_deleted_is_gone(home: House, acme: Tenant, told: None) -> None:
    v1 = home.shop.client.v1
    draft = await v1.invoices.create_async(
        {"customer": acme.organization.stripe_customer, "auto_advance": False}
    )
    await home.followed()
    assert draft.id in {row.id for row in await rows(home, OrganizationInvoice)}
    await v1.invoices.delete_async(str(draft.id))
    await home.followed()
    assert draft.id not in {row.id for row in await rows(home, OrganizationInvoice)}


async def test_one_reading_is_enough_for_all_that_has_changed_before_it(home: House, acme: Tenant) -> None:
    assert home.stripe_events is not None

    def readings() -> int:
        return sum(one["path"] == "/v1/invoices/create_preview" for one in home.stand_in.requests())

    async def change() -> None:
        async with home.database.transaction() as session:
            await renewals.changed(session, acme.id, utc_now())

    seen = readings()
    for _ in range(3):
        await change()
    await home.stripe_events.sweep()
    assert readings() - seen == 1
    await change()
    await home.stripe_events.sweep()
    assert readings() - seen == 2


async def test_a_subscription_that_ends_has_no_next_invoice(home: House, acme: Tenant, told: None) -> None:
    await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)
    await home.followed()
    renewal = await home.get(acme.auditor, "/v1/organization/renewal")
    assert renewal["invoice"] is None
    assert renewal["why_none"].startswith("No upcoming invoices")


@ON_BOTH_DATABASES
@pytest.mark.parametrize("mode", ["normal", "duplicate"])
async def test_the_admins_and_finance_hear_once_of_each_charge_that_fails(
    home: House, acme: Tenant, told: None, mode: str
) -> None:
    home.stand_in.webhooks(mode=mode)
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    home.stand_in.advance(31 * DAY)
    await home.followed()
    [unpaid] = [row for row in await rows(home, OrganizationInvoice) if row.status == "open"]
    assert (unpaid.attempts, unpaid.reason) == (1, "subscription_cycle")
    first = await unpaid_mails(home, 2)
    assert {to for mail in first for to in mail["to"]} == {
        acme.admin.person.email,
        acme.finance.person.email,
    }
    for mail in first:
        assert mail["subject"] == f"Not paid: invoice {unpaid.number} from Plixo, USD 60.00"
        assert "which renews your plan.\nIt tries again " in mail["text"].replace("\r", "")
        assert f"/console/plans/invoices/{unpaid.id}" in mail["text"]
    while unpaid.attempts == 1:
        home.stand_in.advance(DAY)
        await home.followed()
        [unpaid] = [row for row in await rows(home, OrganizationInvoice) if row.status == "open"]
    assert len(await unpaid_mails(home, 4)) == 4
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-1", task_queue=ids.MAIN_QUEUE
    )
    assert len(await unpaid_mails(home, 4)) == 4


async def test_a_bank_debit_is_told_when_it_fails_and_not_while_it_is_under_way(
    home: House, acme: Tenant, told: None
) -> None:
    await home.shop.use_card(acme, "pm_usBankAccount_insufficientFunds")
    home.stand_in.advance(30 * DAY + 7200)
    await home.followed()
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-1", task_queue=ids.MAIN_QUEUE
    )
    [renewal] = [row for row in await rows(home, OrganizationInvoice) if row.status == "open"]
    assert (renewal.attempts, renewal.payment_status) == (1, "processing")
    page = await home.get(acme.finance, "/v1/organization/invoices")
    assert (page["data"][0]["needs_payment"], page["data"][0]["payment_status"]) == (False, "processing")
    assert [row for row in await rows(home, Outbox) if row.action == "mail"] == []

    home.stand_in.advance(5 * DAY)
    await home.followed()
    assert len(await unpaid_mails(home, 2)) == 2
    page = await home.get(acme.finance, "/v1/organization/invoices")
    assert page["data"][0]["needs_payment"] is True


async def test_a_debit_whose_failure_no_event_told_of_is_found_by_reconciliation(
    home: House, acme: Tenant, told: None
) -> None:
    await home.shop.use_card(acme, "pm_usBankAccount_insufficientFunds")
    home.stand_in.advance(30 * DAY + 7200)
    await home.followed()
    home.stand_in.webhooks(mode="drop")
    home.stand_in.advance(5 * DAY)
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-1", task_queue=ids.MAIN_QUEUE
    )
    assert len(await unpaid_mails(home, 2)) == 2


async def test_a_renewal_that_waits_for_the_bank_is_told_as_to_confirm(
    home: House, acme: Tenant, told: None
) -> None:
    await home.shop.use_card(acme, "pm_card_authenticationRequired")
    home.stand_in.advance(30 * DAY + 7200)
    await home.followed()
    [mail, _] = await unpaid_mails(home, 2)
    assert "Your bank asks you to confirm the payment of USD 60.00" in mail["text"]


async def test_what_a_reconciliation_finds_unpaid_is_told_but_not_what_was_so_before(
    home: House, acme: Tenant
) -> None:
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    home.stand_in.advance(31 * DAY)
    organization = acme.organization
    async with home.database.transaction() as session:
        row = await session.get_one(type(organization), acme.id)
        joined, row.created_at = row.created_at, datetime.now(UTC) + timedelta(days=400)
        session.add(row)
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-1", task_queue=ids.MAIN_QUEUE
    )
    assert [row.status for row in await rows(home, OrganizationInvoice)].count("open") == 1
    assert await rows(home, Outbox) == []
    async with home.database.transaction() as session:
        row = await session.get_one(type(organization), acme.id)
        row.created_at = joined
        session.add(row)
    await home.temporal.execute_workflow(
        ids.RECONCILE, ReconcileInput(), id="reconcile-2", task_queue=ids.MAIN_QUEUE
    )
    assert len(await unpaid_mails(home, 2)) == 2


async def test_nobody_is_told_by_a_reading_that_is_older_than_what_is_known(
    home: House, acme: Tenant
) -> None:
    paid = an_organization_invoice(acme.id, status="paid", amount_remaining=0, attempts=1)
    failed = paid.model_copy(update={"status": "open", "amount_remaining": 6_000})
    failed.synced_at = paid.synced_at - timedelta(minutes=1)
    async with home.database.transaction() as session:
        organization = await session.get_one(type(acme.organization), acme.id)
        organization.created_at = paid.created_at - timedelta(days=1)
        session.add(organization)
        await bills.store_invoice(session, paid)
        await bills.store_invoice(session, failed)
    assert await rows(home, Outbox) == []
    failed.synced_at = paid.synced_at + timedelta(minutes=1)
    async with home.database.transaction() as session:
        await bills.store_invoice(session, failed)
    assert len(await rows(home, Outbox)) == 1


async def unpaid_mails(home: House, number: int) -> list[dict[str, Any]]:
    """What was mailed of bills that are not paid, once there is so much of it."""

    def found() -> list[dict[str, Any]]:
        return [one for one in home.mail.mailbox.mails if one["subject"].startswith("Not paid: ")]

    async def there() -> bool:
        return len(found()) >= number

    await until(there, lambda: f"{len(found())} mails: {home.mail.names()}")
    return found()
