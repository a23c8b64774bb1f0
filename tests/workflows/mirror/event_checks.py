"""What must hold when Stripe has told everything: the mirror is as Stripe, and nobody waits in vain."""

from collections.abc import Iterable
from typing import Any

from sqlmodel import SQLModel, select

from activities.mirror.objects.customer import balance_transaction_row, customer_row
from activities.mirror.objects.dispute import dispute_row
from activities.mirror.objects.invoice import credit_note_row, invoice_row, lines_row
from activities.mirror.objects.payment import payment_row, refund_row
from activities.stripe.plan_subscription import EXPAND_PLAN, subscription_document
from db.cases.subscription_cases import WAS
from db.stripe.ours import makers
from db.tables import (
    BalanceTransactionRow,
    CreditNoteRow,
    Customer,
    DisputeRow,
    Invoice,
    InvoiceLines,
    Operation,
    Organization,
    PaymentRow,
    RefundRow,
    StripeEvent,
)

from ...support.builders import NOW
from .event_machine import Scene

Document = dict[str, Any]


async def check(scene: Scene) -> None:
    await the_mirror_is_as_stripe(scene)
    await nobody_waits_in_vain(scene)
    async with scene.home.database.reading() as session:
        states = {event.state for event in await session.exec(select(StripeEvent))}
    assert "pending" not in states


async def the_mirror_is_as_stripe(scene: Scene) -> None:
    """Every column of every row but when it was read, as a reading of now would make it."""
    v1, owner = scene.home.shop.client.v1, scene.tenant.id
    organization = await _organization(scene)
    found = await v1.subscriptions.retrieve_async(organization.stripe_subscription, {"expand": EXPAND_PLAN})
    mirrored = {name: value for name, value in (organization.subscription or {}).items() if name != WAS}
    assert mirrored == subscription_document(found.to_dict(), organization.stripe_customer)
    ours = await _rows(scene, Customer)
    customers = {
        one["id"]: one
        for one in await _all(v1.customers)
        if one["metadata"].get("plixo_organization") == owner
    }
    assert {id_: row for id_, row in ours.items() if not row["deleted"]} == _documents(
        customer_row(one, NOW) for one in customers.values()
    )
    known = customers.keys() | ours.keys()
    # A customer that was deleted before anything of it was known is nobody's, in Stripe too.
    await _same(
        scene,
        Invoice,
        (invoice_row(one, owner, NOW) for one in await _all(v1.invoices) if one["customer"] in known),
    )
    await _same(
        scene,
        InvoiceLines,
        (lines_row(one, owner, NOW) for one in await _all(v1.invoices) if one["customer"] in known),
    )
    paid = {
        one["payment"]["payment_intent"]: one["invoice"]
        for one in await _all(v1.invoice_payments, status="paid")
    }
    payments = [
        one
        for one in await _all(v1.payment_intents, expand=["data.latest_charge"])
        if one["customer"] in known and one["status"] == "succeeded"
    ]
    rows = [
        payment_row(one, one["latest_charge"], organization=owner, invoice=paid.get(one["id"]), synced_at=NOW)
        for one in payments
    ]
    customers = {row.id: row.customer_id for row in rows}
    disputes = [one for one in await _all(v1.disputes) if one["payment_intent"] in customers]
    for row in rows:
        of_it = [one for one in disputes if one["payment_intent"] == row.id]
        row.held_by_dispute = any(not one["is_charge_refundable"] for one in of_it) if of_it else None
    await _same(scene, PaymentRow, rows)
    await _same(
        scene,
        DisputeRow,
        (dispute_row(one, owner, NOW, customer=customers[one["payment_intent"]]) for one in disputes),
    )
    refunds, notes = await _all(v1.refunds), await _all(v1.credit_notes)
    async with scene.home.database.reading() as session:
        made_by = await makers(session, {one["id"] for one in (*refunds, *notes)})
    await _same(
        scene,
        RefundRow,
        (
            refund_row(
                one,
                organization=owner,
                customer=one["customer"],
                operation=made_by.get((owner, one["id"])),
                synced_at=NOW,
            )
            for one in refunds
            if one["payment_intent"] in {payment["id"] for payment in payments}
        ),
    )
    await _same(
        scene,
        CreditNoteRow,
        (
            credit_note_row(one, organization=owner, operation=made_by.get((owner, one["id"])), synced_at=NOW)
            for one in notes
            if one["customer"] in known
        ),
    )
    for row in (await _rows(scene, BalanceTransactionRow)).values():
        given = await v1.customers.balance_transactions.retrieve_async(row["customer_id"], row["id"])
        held = balance_transaction_row(
            given.to_dict(), organization=owner, operation=row["operation_id"], synced_at=NOW
        )
        assert row == _document(held)


async def nobody_waits_in_vain(scene: Scene) -> None:
    """A refund's workflow says what Stripe says; a plan change is done, will be, or was taken away."""
    v1 = scene.home.shop.client.v1
    refunds = {one["id"]: one for one in await _all(v1.refunds)}
    async with scene.home.database.reading() as session:
        operations = {
            one.id: one
            for one in await session.exec(
                select(Operation).where(Operation.organization_id == scene.tenant.id)
            )
        }
    for id_ in scene.refunds:
        operation = operations[id_]
        named = f"{id_} is {operation.state}/{operation.stage}: {operation.error}"
        parts = [part for part in (operation.result or {}).get("parts", []) if part["refund"]]
        assert [part["status"] for part in parts] == [refunds[part["refund"]]["status"] for part in parts], (
            named
        )
        marks = {refunds[part["refund"]]["metadata"]["plixo_operation"] for part in parts}
        assert marks <= {id_}, named
        if operation.stage in ("pending", "requires_action"):
            assert operation.stage in {part["status"] for part in parts}, named
        else:
            assert operation.stage in ("done", "refund_failed"), named
    if scene.change is not None:
        change = operations[scene.change]
        named = f"{change.id} is {change.state}/{change.stage}: {change.error}"
        subscription = await scene.home.shop.subscription(scene.tenant)
        plan = ((await _organization(scene)).subscription or {})["plan"]
        if change.state == "completed":
            assert (plan, subscription.schedule) == ("starter", None), named
        elif change.state == "failed":
            assert (change.error or {})["code"] == "schedule_gone", named
            assert (plan, subscription.schedule) == ("growth", None), named
        else:
            [item] = subscription["items"].data
            assert (change.stage, plan) == ("scheduled", "growth"), named
            assert subscription.schedule is not None, named
            assert item.current_period_end > scene.home.stand_in.now(), named


async def _organization(scene: Scene) -> Organization:
    async with scene.home.database.reading() as session:
        found = await session.get(Organization, scene.tenant.id)
    assert found is not None
    return found


async def _all(service: Any, **params: Any) -> list[Document]:
    page = await service.list_async({"limit": 100, **params})
    return [one.to_dict() async for one in page.auto_paging_iter()]


async def _rows(scene: Scene, table: type[SQLModel]) -> dict[str, Document]:
    async with scene.home.database.reading() as session:
        found = await session.exec(
            select(table).where(table.organization_id == scene.tenant.id)  # type: ignore[attr-defined]
        )
        return _documents(found)


async def _same(scene: Scene, table: type[SQLModel], held: Iterable[SQLModel]) -> None:
    assert await _rows(scene, table) == _documents(held), table.__tablename__


def _documents(rows: Iterable[SQLModel]) -> dict[str, Document]:
    return {document.get("id") or document["invoice_id"]: document for document in map(_document, rows)}


def _document(row: SQLModel) -> Document:
    return row.model_dump(exclude={"synced_at"})
