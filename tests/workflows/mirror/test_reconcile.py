"""Reconciliation: what happened in Stripe alone is told and corrected, and a second run finds nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import WorkflowExecutionStatus

from billing.mirror.reconciliation import ReconcileInput
from db.tables import (
    BalanceTransactionRow,
    CreditNoteRow,
    Customer,
    Invoice,
    InvoiceLines,
    Organization,
    PaymentRow,
    Reconciliation,
    RefundRow,
    StripeEventCheck,
)
from workflows.core import ids, options

from ...support import money
from ...support.builders import Tenant, store
from ...support.house import House, until
from ...support.money_rows import an_event
from ..conftest import ON_BOTH_DATABASES


@pytest.fixture
async def acme(home: House) -> Tenant:
    """An organization of whose customers the mirror has nothing yet. Every event counts as known."""
    now = datetime.now(UTC)
    await store(home.database, StripeEventCheck(id="account", complete_until=now, checked_at=now))
    return await home.shop.tenant(home.database)


async def reconcile(home: House, number: int) -> int:
    """A run of everything that nobody asked for."""
    stored: int = await home.temporal.execute_workflow(
        ids.RECONCILE,
        ReconcileInput(),
        id=f"reconcile-{number}",
        task_queue=ids.MAIN_QUEUE,
        result_type=int,
    )
    return stored


async def started(home: House) -> None:
    """Waits until Temporal has been told."""
    assert home.app is not None
    await home.app.state.context.dispatcher.idle()


async def asked_for(home: House, tenant: Tenant) -> dict[str, Any]:
    """A run that an admin asks for, at its end."""
    answer = await home.http.post("/v1/reconciliations", headers=tenant.admin.headers)
    assert answer.status_code == 202, answer.text
    run = answer.json()["id"]
    await started(home)
    await home.temporal.get_workflow_handle(ids.reconciliation_workflow(run)).result()
    return await home.get(tenant.auditor, answer.headers["Location"])


async def differences(home: House, tenant: Tenant, **query: str) -> dict[str, dict[str, Any]]:
    """What an auditor of the organization sees, by kind and object."""
    text = "&".join(f"{name}={value}" for name, value in query.items())
    page = await home.get(tenant.auditor, f"/v1/differences?limit=100&{text}")
    return {f"{one['object_kind']} {one['object']}": one for one in page["data"]}


def changed(difference: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {field["name"]: (field["ours"], field["stripe"]) for field in difference["fields"]}


async def rows(home: House, table: type[Any]) -> list[Any]:
    async with home.database.reading() as session:
        return list(await session.exec(select(table).order_by(table.id)))


async def test_money_that_moved_in_stripe_alone_is_mirrored(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    invoice = await money.invoice(home.shop, customer, 5000, paid=True)
    payment = await money.payment_of(home.shop, invoice)
    v1 = home.shop.client.v1
    refund = await v1.refunds.create_async({"payment_intent": payment, "amount": 700})
    note = await v1.credit_notes.create_async({"invoice": invoice, "amount": 300, "credit_amount": 300})

    # three plans, the subscription and its invoice, the customer, the invoice, the payment and which invoice
    # it paid, refund, credit note and what that did to the balance
    assert await reconcile(home, 1) == 3 + 2 + 6 + 1

    [known] = await rows(home, Customer)
    [billed] = await rows(home, Invoice)
    [paid] = await rows(home, PaymentRow)
    [returned] = await rows(home, RefundRow)
    [credited] = await rows(home, CreditNoteRow)
    [change] = await rows(home, BalanceTransactionRow)
    assert (known.id, known.balance, billed.id) == (customer, -300, invoice)
    assert (paid.id, paid.invoice_id, paid.amount, paid.amount_refunded) == (payment, invoice, 5000, 700)
    assert (returned.id, returned.status, credited.id, credited.status) == (
        refund.id,
        "succeeded",
        note.id,
        "issued",
    )
    assert (change.customer_id, change.amount, change.ending_balance) == (customer, -300, -300)
    found = await differences(home, acme)
    assert {one["correction"] for one in found.values()} == {"added"}
    assert len(found) == 6
    assert await reconcile(home, 2) == 3 + 2 + 6
    assert len(await rows(home, PaymentRow)) == 1


@ON_BOTH_DATABASES
async def test_what_was_changed_behind_our_back_is_told_field_by_field_and_mended(
    home: House, acme: Tenant
) -> None:
    v1 = home.shop.client.v1
    customer = await money.customer(home.shop, acme, "Blue")
    invoice = await money.invoice(home.shop, customer, 5000)
    paid = await money.pay(home.shop, customer, 4000)
    first = await asked_for(home, acme)
    known = {row.id: row.synced_at for row in [*await rows(home, Customer), *await rows(home, Invoice)]}

    await v1.customers.update_async(customer, {"name": "Green"})
    await v1.invoices.void_invoice_async(invoice)
    refund = await v1.refunds.create_async({"payment_intent": paid, "amount": 700})
    await v1.customers.balance_transactions.create_async(customer, {"amount": -900, "currency": "usd"})
    subscription = await home.shop.subscription(acme)
    item = subscription.to_dict()["items"]["data"][0]["id"]
    await v1.subscriptions.update_async(subscription.id, {"items": [{"id": item, "quantity": 9}]})
    run = await asked_for(home, acme)

    assert (first["state"], run["state"], run["requested_by"]) == ("completed", "completed", acme.admin.id)
    found = await differences(home, acme, reconciliation=run["id"])
    [change] = await rows(home, BalanceTransactionRow)
    assert set(found) == {
        f"customer {customer}",
        f"invoice {invoice}",
        f"payment {paid}",
        f"refund {refund.id}",
        f"balance_transaction {change.id}",
        f"subscription {subscription.id}",
    }
    of_customer, of_invoice = found[f"customer {customer}"], found[f"invoice {invoice}"]
    assert changed(of_customer) == {
        "name": ("Blue", "Green"),
        "currency": (None, "usd"),
        "balance": (0, -900),
    }
    [balance] = [field for field in of_customer["fields"] if field["name"] == "balance"]
    assert balance["currency"] == "usd"
    assert datetime.fromisoformat(of_customer["since"]) == known[customer]
    assert (of_customer["correction"], found[f"refund {refund.id}"]["correction"]) == ("overwritten", "added")
    assert changed(of_invoice)["status"] == ("open", "void")
    assert datetime.fromisoformat(of_invoice["since"]) == known[invoice]
    assert changed(found[f"payment {paid}"]) == {"amount_refunded": (0, 700)}
    assert changed(found[f"subscription {subscription.id}"]) == {"seats": (6, 9)}
    counts = {one["object_kind"]: (one["compared"], one["differing"]) for one in run["counts"]}
    assert counts == dict.fromkeys(
        ("customer", "invoice", "payment", "refund", "balance_transaction", "subscription"), (1, 1)
    ) | {"organization_invoice": (1, 0)}
    [corrected] = await rows(home, Customer)
    assert (corrected.name, corrected.balance) == ("Green", -900)

    last = await asked_for(home, acme)
    assert [one["differing"] for one in last["counts"]] == [0] * 6
    assert await differences(home, acme, reconciliation=last["id"]) == {}


async def test_another_organizations_differences_and_runs_are_not_shown(home: House, acme: Tenant) -> None:
    other = await home.shop.tenant(home.database)
    mine, theirs = await money.customer(home.shop, acme), await money.customer(home.shop, other)

    run = await asked_for(home, acme)

    assert set(await differences(home, acme)) == {f"customer {mine}"}
    assert set(await differences(home, other)) == {f"customer {theirs}"}
    assert [one["object_kind"] for one in run["counts"]] == [
        "subscription",
        "customer",
        "organization_invoice",
    ]
    hidden = await home.http.get(f"/v1/reconciliations/{run['id']}", headers=other.admin.headers)
    assert hidden.status_code == 404
    assert (await home.get(other.auditor, "/v1/reconciliations"))["data"] == []


@ON_BOTH_DATABASES
async def test_a_customer_and_a_draft_that_were_deleted_in_stripe_are_found(
    home: House, acme: Tenant
) -> None:
    v1 = home.shop.client.v1
    stays, goes = await money.customer(home.shop, acme), await money.customer(home.shop, acme)
    draft = await money.invoice(home.shop, stays, 5000, finalized=False)
    await reconcile(home, 1)
    await v1.customers.delete_async(goes)
    await v1.invoices.delete_async(draft)

    run = await asked_for(home, acme)

    found = await differences(home, acme, reconciliation=run["id"])
    assert set(found) == {f"customer {goes}", f"invoice {draft}"}
    assert changed(found[f"customer {goes}"]) == {"deleted": (False, True)}
    assert found[f"invoice {draft}"]["correction"] == "removed"
    assert changed(found[f"invoice {draft}"])["status"] == ("draft", None)
    assert {row.id: row.deleted for row in await rows(home, Customer)} == {stays: False, goes: True}
    assert await rows(home, Invoice) == []
    async with home.database.reading() as session:
        assert list(await session.exec(select(InvoiceLines))) == []
    again = await asked_for(home, acme)
    assert await differences(home, acme, reconciliation=again["id"]) == {}


async def test_a_customer_who_is_nobodys_any_more_counts_as_deleted_and_can_come_back(
    home: House, acme: Tenant
) -> None:
    customers = home.shop.client.v1.customers
    moved = await money.customer(home.shop, acme)
    await reconcile(home, 1)
    await customers.update_async(moved, {"metadata": {"plixo_organization": ""}})
    await reconcile(home, 2)
    [gone] = await rows(home, Customer)
    await customers.update_async(moved, {"metadata": {"plixo_organization": acme.id}})
    await reconcile(home, 3)
    [back] = await rows(home, Customer)
    assert (gone.deleted, back.deleted) == (True, False)


async def test_a_subscription_that_has_ended_is_looked_up(home: House, acme: Tenant) -> None:
    subscription = acme.organization.stripe_subscription
    await home.shop.client.v1.subscriptions.cancel_async(subscription)

    run = await asked_for(home, acme)

    found = await differences(home, acme, reconciliation=run["id"])
    assert changed(found[f"subscription {subscription}"])["status"] == ("active", "canceled")
    [mirrored] = await rows(home, Organization)
    assert mirrored.subscription["status"] == "canceled"


async def test_all_changes_of_a_balance_are_found_and_asked_for_once(home: House, acme: Tenant) -> None:
    v1 = home.shop.client.v1
    moved, calm = await money.customer(home.shop, acme), await money.customer(home.shop, acme)
    for amount in range(1, 104):
        await v1.customers.balance_transactions.create_async(moved, {"amount": amount, "currency": "usd"})

    await reconcile(home, 1)

    assert len(await rows(home, BalanceTransactionRow)) == 103
    since = home.stand_in.last_request()
    await reconcile(home, 2)
    asked = [line["path"] for line in home.stand_in.requests(since)]
    assert not [path for path in asked if "balance_transactions" in path]
    assert calm not in {row.customer_id for row in await rows(home, BalanceTransactionRow)}


async def test_what_an_event_is_about_to_bring_is_stored_and_no_difference(home: House, acme: Tenant) -> None:
    customer, other = await money.customer(home.shop, acme), await money.customer(home.shop, acme)
    await store(home.database, an_event(object_id=customer, type="customer.updated"))

    await reconcile(home, 1)

    assert {row.id for row in await rows(home, Customer)} == {customer, other}
    assert set(await differences(home, acme)) == {f"customer {other}"}


async def test_a_plan_that_is_described_wrongly_is_said_and_hides_nothing_else(
    home: House, acme: Tenant
) -> None:
    v1 = home.shop.client.v1
    twin = await v1.products.create_async(
        {"name": "Growth again", "metadata": {"plixo_plan": "growth", "seats_included": "5"}}
    )
    await v1.prices.create_async(
        {"product": twin.id, "currency": "usd", "unit_amount": 1, "recurring": {"interval": "month"}}
    )
    customer = await money.customer(home.shop, acme)

    run = await asked_for(home, acme)

    assert (run["state"], run["error"]) == ("completed", None)
    [growth] = [
        plan for plan in (await home.get(acme.auditor, "/v1/plans"))["data"] if plan["plan"] == "growth"
    ]
    assert twin.id in growth["unavailable"]
    assert set(await differences(home, acme)) == {f"customer {customer}"}


async def test_a_run_that_stripe_does_not_answer_for_hours_ends_failed(
    home: House, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert options.STRIPE_PAGE["schedule_to_close_timeout"] == timedelta(hours=6)
    monkeypatch.setitem(options.STRIPE_PAGE, "schedule_to_close_timeout", timedelta(seconds=2))
    home.stand_in.fault("error_before", path="/v1/invoices$", times=100_000)

    run = await asked_for(home, acme)

    assert (run["state"], run["stage"]) == ("failed", "invoices")
    assert run["ended_at"] is not None
    home.stand_in.clear_faults()
    assert (await asked_for(home, acme))["state"] == "completed"


async def test_a_run_that_was_terminated_is_closed_and_blocks_nobody(home: House, acme: Tenant) -> None:
    home.stand_in.fault("error_before", path="/v1/invoices$", times=100_000)
    answer = await home.http.post("/v1/reconciliations", headers=acme.admin.headers)
    first = answer.json()["id"]
    await started(home)
    by_schedule = await home.temporal.start_workflow(
        ids.RECONCILE, id="reconcile-1", task_queue=ids.MAIN_QUEUE
    )
    going = await home.http.post("/v1/reconciliations", headers=acme.controller.headers)
    assert going.json()["id"] == first
    for handle in (by_schedule, home.temporal.get_workflow_handle(ids.reconciliation_workflow(first))):
        await handle.terminate()
    home.stand_in.clear_faults()
    second = first

    async def begun_anew() -> bool:
        """Temporal may be too slow, now and then, to say in time that the first is over."""
        nonlocal second
        second = (await home.http.post("/v1/reconciliations", headers=acme.admin.headers)).json()["id"]
        return bool(second != first)

    await until(begun_anew, lambda: "the terminated run stands for one that goes on")
    await started(home)
    await home.temporal.get_workflow_handle(ids.reconciliation_workflow(second)).result()

    states = {row.id: (row.state, (row.error or {}).get("code")) for row in await rows(home, Reconciliation)}
    assert states.pop(second) == ("completed", None)
    assert states[first] == ("failed", "stopped")
    assert set(states.values()) == {("failed", "stopped")}


async def test_a_long_run_goes_on_in_a_new_history(
    home: House, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "LONG_HISTORY", 20)
    customer = await money.customer(home.shop, acme)

    run = await asked_for(home, acme)

    handle = home.temporal.get_workflow_handle(ids.reconciliation_workflow(run["id"]))
    assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED
    first = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    assert first.continued_execution_run_id
    assert run["state"] == "completed"
    assert set(await differences(home, acme)) == {f"customer {customer}"}
    assert [one["compared"] for one in run["counts"]] == [1, 1, 1]
    assert len(await rows(home, Reconciliation)) == 1


async def test_a_run_says_how_many_events_had_not_arrived(home: House) -> None:
    tenant = await home.shop.tenant(home.database)  # Stripe has told nobody of it, and of no check we know
    await money.customer(home.shop, tenant)
    run = await asked_for(home, tenant)
    assert run["state"] == "completed"
    assert run["events_missed"] > 2
    await home.settled()
    assert (await asked_for(home, tenant))["events_missed"] == 0
