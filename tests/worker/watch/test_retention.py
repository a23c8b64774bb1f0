"""What nobody looks at any more is forgotten, in batches; what is evidence, open or in doubt stays."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import disputes, unpaid_bills
from db.operations import outbox
from db.tables import Outbox, PortalAccess, RecordRead, StripeEvent, oldest_id
from worker.watch import retention
from worker.watch.retention import EVERY, KEPT_FOR, Retention

from ...support.bill_rows import an_organization_invoice
from ...support.builders import NOW, a_customer, an_invoice, an_operation, store, tenant
from ...support.case_rules import case_rules
from ...support.money_rows import a_dispute, a_payment
from ...support.portal_rows import a_link

LONG_AGO = NOW - KEPT_FOR - timedelta(days=1)
AFTER = timedelta(seconds=1)


def told(number: int, **fields: Any) -> Outbox:
    usual: dict[str, Any] = {
        "id": oldest_id("out", LONG_AGO + number * AFTER),
        "action": "start",
        "workflow_id": f"stripe-event-{number}",
        "name": "StripeEventWorkflow",
        "payload": {},
        "state": "delivered",
        "created_at": LONG_AGO,
        "next_attempt_at": LONG_AGO,
        "settled_at": LONG_AGO,
    }
    return Outbox(**usual | fields)


def event(id_: str, **fields: Any) -> StripeEvent:
    usual: dict[str, Any] = {
        "id": id_,
        "type": "invoice.paid",
        "object_id": "in_1",
        "livemode": False,
        "state": "done",
        "created_at": LONG_AGO,
        "received_at": LONG_AGO,
        "settled_at": LONG_AGO,
    }
    return StripeEvent(**usual | fields)


async def left(database: Database) -> tuple[set[str], set[str]]:
    async with database.reading() as session:
        rows = await session.exec(select(Outbox.workflow_id))
        return set(rows), set(await session.exec(select(StripeEvent.id)))


async def test_what_was_delivered_or_followed_long_ago_is_forgotten_and_nothing_else(
    database: Database,
) -> None:
    acme = await tenant(database)
    going, closed, lately = an_operation(acme), an_operation(acme), an_operation(acme)
    closed.closed_at, lately.closed_at = LONG_AGO, NOW - timedelta(days=40)
    await store(database, going, closed, lately)
    of = {one.id: f"operation-{one.id}" for one in (going, closed, lately)}
    await store(
        database,
        told(1),
        told(2, state="pending", settled_at=None),
        told(3, state="refused"),
        told(4, settled_at=NOW - timedelta(days=10)),
        told(5, workflow_id=of[going.id]),
        told(6, workflow_id=of[closed.id]),
        told(7, workflow_id=of[lately.id]),
        told(8, id=oldest_id("out", NOW - AFTER), settled_at=NOW),
        event("evt_done"),
        event("evt_ignored", state="ignored"),
        event("evt_pending", state="pending", settled_at=None),
        event("evt_set_aside", state="set_aside"),
        event("evt_new", received_at=NOW, settled_at=NOW),
    )
    assert await Retention(database, clock=lambda: NOW).look() == 4
    assert await left(database) == (
        {*(f"stripe-event-{number}" for number in (2, 3, 4, 8)), of[going.id], of[lately.id]},
        {"evt_pending", "evt_set_aside", "evt_new"},
    )


async def test_from_where_a_page_was_opened_long_ago_is_forgotten_and_that_it_was_stays(
    database: Database,
) -> None:
    acme = await tenant(database)
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    link = a_link(invoice)
    of = {
        "organization_id": acme.id,
        "customer_id": customer.id,
        "invoice_id": invoice.id,
        "link_id": link.id,
    }
    traces = {"address": "203.0.113.77", "agent": "Mozilla/5.0", "outcome": "opened"}
    await store(database, customer, invoice, link)
    await store(
        database,
        PortalAccess(id="pac_old", at=LONG_AGO, **of, **traces),
        PortalAccess(id="pac_new", at=NOW - timedelta(days=89), **of, **traces),
    )

    assert await Retention(database, clock=lambda: NOW).look() == 1

    async with database.reading() as session:
        old, new = (
            await session.get_one(PortalAccess, "pac_old"),
            await session.get_one(PortalAccess, "pac_new"),
        )
    assert (old.address, old.agent, old.outcome) == ("", None, "opened")
    assert (new.address, new.agent) == ("203.0.113.77", "Mozilla/5.0")


async def test_what_every_sweep_sees_anew_is_told_no_second_time_however_long_ago_it_was_told(
    database: Database,
) -> None:
    acme = await tenant(database)
    payment = a_payment(acme.id, customer_id="cus_1")
    lost = a_dispute(acme.id, payment.id, status="won", created_at=NOW, synced_at=NOW)
    bill = an_organization_invoice(acme.id, status="uncollectible", created_at=NOW, synced_at=NOW)
    await store(database, payment, lost, bill)

    async def sweep() -> list[tuple[str, str]]:
        async with database.transaction() as session:
            await disputes.stored(session, case_rules(), payment.id)
            await unpaid_bills.tell(session, [bill.id])
        async with database.reading() as session:
            return [(row.name, row.state) for row in await session.exec(select(Outbox).order_by(Outbox.name))]

    assert await sweep() == [("bill_unpaid", "pending"), ("dispute", "pending")]
    async with database.transaction() as session:
        for row in await session.exec(select(Outbox)):
            await outbox.settle_delivered(session, row.id, at=NOW)
    later = utc_now() + KEPT_FOR + timedelta(days=1)
    await Retention(database, clock=lambda: later).look()
    assert await sweep() == [("bill_unpaid", "delivered"), ("dispute", "delivered")]


async def test_it_is_done_in_batches_by_one_worker_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "BATCHES", 2)
    await store(database, *(told(number) for number in range(7)))
    now = NOW
    one, other = (Retention(database, clock=lambda: now) for _ in range(2))
    assert (await one.look(), await other.look()) == (4, 0)
    now += EVERY
    assert (await other.look(), await one.look()) == (3, 0)


async def test_who_read_what_is_kept_for_longer_than_a_year(database: Database) -> None:
    acme = await tenant(database)

    def read(days: int) -> RecordRead:
        return RecordRead(
            id=f"rdr_{days}",
            organization_id=acme.id,
            person_id=acme.admin.id,
            at=NOW - timedelta(days=days),
            what="evidence",
            path="/v1/operations/op_1/evidence",
            query="",
            address="192.0.2.7",
            request_id="req_1",
        )

    await store(database, read(399), read(401))
    await Retention(database, lambda: NOW).look()
    async with database.reading() as session:
        assert (await session.exec(select(RecordRead.id))).all() == ["rdr_399"]
