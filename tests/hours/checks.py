"""What must hold when the bad hours are over: everything ended right, everything happened once."""

import asyncio
from itertools import pairwise
from typing import Any

from sqlmodel import col, select

from billing.evidence.verify import verify
from billing.money.refund import GONE
from db.tables import (
    CreditNoteRow,
    Customer,
    Hold,
    Incident,
    Intent,
    Invoice,
    Operation,
    Outbox,
    PaymentRow,
    RefundRow,
    StripeEvent,
)

from ..support.house import until
from .people import People
from .stage import Stage

Document = dict[str, Any]
SETTLE_WITHIN = 90.0
"""Seconds after the last fault."""


async def until_at_rest(stage: Stage) -> None:
    """Nothing waits any more: no hold, no intent, no event, nothing in the outbox, no incident."""
    deadline = asyncio.get_running_loop().time() + SETTLE_WITHIN
    while waiting := await _waiting(stage):
        assert asyncio.get_running_loop().time() < deadline, f"{waiting}\n{stage.logs()}"
        await asyncio.sleep(0.3)


async def _waiting(stage: Stage) -> list[str]:
    async with stage.records.reading() as session:
        counted = {
            "holds": select(Hold.id).where(col(Hold.released_at).is_(None)),
            "intents": select(Intent.idempotency_key).where(Intent.state == "open"),
            "events": select(StripeEvent.id).where(StripeEvent.state == "pending"),
            "outbox": select(Outbox.id).where(Outbox.state == "pending"),
            "incidents": select(Incident.id).where(col(Incident.cleared_at).is_(None)),
            "operations": select(Operation.id).where(col(Operation.closed_at).is_(None)),
        }
        found = {name: (await session.exec(wanted)).all() for name, wanted in counted.items()}
    return [f"{name}: {sorted(rows)[:5]}" for name, rows in found.items() if rows]


async def reconciled(stage: Stage) -> None:
    """What no event told is found by looking."""
    answer = await stage.post("controller", "/v1/reconciliations", {})
    assert answer.status_code == 202, answer.text
    path = f"/v1/reconciliations/{answer.json()['id']}"

    async def completed() -> bool:
        return bool((await stage.get("controller", path))["state"] == "completed")

    await until(completed, stage.logs, SETTLE_WITHIN)


async def check(stage: Stage, people: People) -> None:
    """Everything, by Stripe and by our records."""
    async with stage.records.snapshot() as session:
        operations = list(await session.exec(select(Operation)))
    by_id = {one.id: one for one in operations}
    assert set(people.asked) <= by_id.keys()
    refunds = await _all(stage.stripe.v1.refunds.list_async({"limit": 100}))
    notes = await _all(stage.stripe.v1.credit_notes.list_async({"limit": 100}))
    changes: Document = {}
    for customer in people.till.customers:
        service = stage.stripe.v1.customers.balance_transactions
        changes |= await _all(service.list_async(customer, {"limit": 100}))
    made: dict[str, list[Document]] = {}
    for one in (*refunds.values(), *notes.values(), *changes.values()):
        if (operation := (one["metadata"] or {}).get("plixo_operation")) is not None:
            made.setdefault(operation, []).append(one)
    for operation in operations:
        _once(operation, made.get(operation.id, []))
    _one_case_each(operations, people, refunds)
    await _plan_changes(stage, operations)
    await _evidence(stage, operations)
    await _mirror(stage, refunds, notes)
    assert await stage.control("violations") == []


def _once(operation: Operation, made: list[Document]) -> None:
    named = f"{operation.id} {operation.kind} {operation.state}/{operation.stage} {operation.error}"
    if operation.kind == "refund":
        live = [one for one in made if one["status"] not in GONE]
        assert len(live) <= 1, f"{named}: refunded twice"
        assert all(one["amount"] == operation.request["amount_minor"] for one in made), named
        assert (len(live) == 1) == (operation.state == "completed"), f"{named}: {made}"
    elif operation.kind == "credit":
        assert len(made) == (operation.state == "completed"), f"{named}: {made}"


def _one_case_each(operations: list[Operation], people: People, refunds: Document) -> None:
    """Of what was made in Stripe itself; what failed there before we heard of it needs none."""
    cases = [one for one in operations if one.kind == "case"]
    noticed = sorted(one.request["object"] for one in cases)
    assert len(set(noticed)) == len(noticed)
    assert set(noticed) <= set(people.elsewhere)
    assert {one for one in people.elsewhere if refunds[one]["status"] not in GONE} <= set(noticed)
    assert {one.state for one in cases} <= {"completed"}


async def _plan_changes(stage: Stage, operations: list[Operation]) -> None:
    """Every completed change has one invoice of its own, and the subscription is as the last one says."""
    changes = sorted((one for one in operations if one.kind == "plan_change"), key=lambda one: one.created_at)
    assert {one.state for one in changes} <= {"completed", "declined", "failed"}
    done = [one for one in changes if one.state == "completed"]
    organization = await stage.get("auditor", "/v1/organization")
    invoices = await _all(
        stage.stripe.v1.invoices.list_async(
            {"subscription": organization["stripe"]["subscription"], "limit": 100}
        )
    )
    charged = [one for one in invoices.values() if one["billing_reason"] == "subscription_update"]
    assert len(charged) == len(done), f"{len(charged)} invoices of {len(done)} changes"
    if done:
        held = await stage.stripe.v1.subscriptions.retrieve_async(organization["stripe"]["subscription"])
        assert held["items"].data[0].quantity == done[-1].subject["to"]["seats"]  # type: ignore[index]


async def check_incidents(stage: Stage) -> None:
    """There were some, and each was cleared before the next of its component."""
    async with stage.records.snapshot() as session:
        incidents = list(await session.exec(select(Incident)))
    assert incidents, "no incident was opened"
    for one in incidents:
        assert one.cleared_at, f"{one.id} of {one.component} is not cleared"
        assert one.note
        assert one.alerted_at
        assert one.recovered_at
        assert one.recovered_at <= one.cleared_at
    for component in {one.component for one in incidents}:
        told = sorted((one.opened_at, one.cleared_at) for one in incidents if one.component == component)
        assert all(before[1] <= after[0] for before, after in pairwise(told)), told  # type: ignore[operator]


async def _evidence(stage: Stage, operations: list[Operation]) -> None:
    for one in operations:
        answer = await stage.patiently("GET", "auditor", f"/v1/operations/{one.id}/evidence")
        assert answer.status_code == 200, answer.text
        assert verify(answer.content).operation == one.id


async def _mirror(stage: Stage, refunds: Document, notes: Document) -> None:
    organization = stage.info["organization"]
    customers = {
        id_: one
        for id_, one in (await _all(stage.stripe.v1.customers.list_async({"limit": 100}))).items()
        if one["metadata"].get("plixo_organization") == organization
    }
    invoices = {
        id_: one
        for id_, one in (await _all(stage.stripe.v1.invoices.list_async({"limit": 100}))).items()
        if one["customer"] in customers
    }
    payments = {
        id_: one
        for id_, one in (
            await _all(
                stage.stripe.v1.payment_intents.list_async({"limit": 100, "expand": ["data.latest_charge"]})
            )
        ).items()
        if one["customer"] in customers and one["status"] == "succeeded"
    }
    async with stage.records.snapshot() as session:
        await _same(session, Customer, customers, {"balance": "balance"})
        await _same(session, Invoice, invoices, {"status": "status", "amount_remaining": "amount_remaining"})
        await _same(session, RefundRow, refunds, {"status": "status", "amount": "amount"})
        await _same(session, CreditNoteRow, notes, {"status": "status", "amount": "amount"})
        charges = {id_: one["latest_charge"] for id_, one in payments.items()}
        await _same(session, PaymentRow, charges, {"amount_refunded": "amount_refunded"})


async def _same(session: Any, table: type[Any], objects: Document, names: dict[str, str]) -> None:
    rows = {row.id: row for row in await session.exec(select(table))}
    ours = {id_: {column: getattr(row, column) for column in names} for id_, row in rows.items()}
    theirs = {id_: {column: one[name] for column, name in names.items()} for id_, one in objects.items()}
    assert ours == theirs, table.__tablename__


async def _all(listing: Any) -> Document:
    page = await listing
    return {one.id: one.to_dict() async for one in page.auto_paging_iter()}
