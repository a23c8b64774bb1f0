"""What Stripe tells us of ends up in the mirror as Stripe has it, and wakes what waits for it."""

import json
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import pytest
import stripe
from httpx import Response
from sqlmodel import SQLModel, col, select
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.mirror import readers
from activities.mirror.bills import Bills
from activities.mirror.events import StripeEvents
from activities.mirror.objects.customer import CustomerSnapshot
from activities.mirror.pages import MirrorAccess, customers_page
from billing.stripe.events import StripeChanged
from db.core.clock import utc_now
from db.tables import (
    BalanceTransactionRow,
    CreditNoteRow,
    Customer,
    Intent,
    Invoice,
    Operation,
    Outbox,
    PaymentRow,
    RefundRow,
    StripeEvent,
)
from worker.queues import RUNNER
from worker.stripe_events import EventSweep
from worker.watch.event_care import EventCare

from ...support import money
from ...support.builders import NOW, Tenant, an_intent, an_operation, store
from ...support.case_rules import case_rules
from ...support.house import SECRET, House, until
from ..conftest import ON_BOTH_DATABASES
from ..waiting_workflow import Waiting

SETTLED = 90
"""Seconds by the stand-in's clock after which a refund has come to its end."""


@pytest.fixture(autouse=True)
async def _told(home: House) -> AsyncIterator[None]:
    async with home.told_by_stripe():
        yield


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def waiting(home: House, operation: Operation) -> WorkflowHandle[Any, Any]:
    return await home.temporal.start_workflow(Waiting.run, id=operation.workflow_id, task_queue="waiting")


@pytest.fixture
async def waiters(home: House) -> AsyncIterator[None]:
    async with Worker(home.temporal, task_queue="waiting", workflows=[Waiting], workflow_runner=RUNNER):
        yield


async def mirrored(home: House, table: type[SQLModel], *columns: str) -> dict[str, tuple[Any, ...]]:
    """These columns of every row, by its id."""
    async with home.database.reading() as session:
        rows = (await session.exec(select(table))).all()
    return {row.id: tuple(getattr(row, name) for name in columns) for row in rows}  # type: ignore[attr-defined]


async def the_mirror_is_as_stripe(home: House) -> None:
    """Every object that is the organization's customers' is mirrored as Stripe has it now."""
    v1 = home.shop.client.v1
    customers = {
        one.id: one
        for one in (await v1.customers.list_async({"limit": 100})).data
        if "plixo_organization" in one.to_dict()["metadata"]
    }
    assert await mirrored(home, Customer, "balance", "currency", "deleted") == {
        one.id: (one.balance, one.currency, False) for one in customers.values()
    }
    payments = [
        (one, one.latest_charge)
        for one in (
            await v1.payment_intents.list_async({"limit": 100, "expand": ["data.latest_charge"]})
        ).data
        if one.customer in customers and one.status == "succeeded"
    ]
    assert await mirrored(home, PaymentRow, "amount", "amount_refunded", "disputed", "charge", "status") == {
        one.id: (one.amount, charge.amount_refunded, charge.disputed, charge.id, one.status)
        for one, charge in payments
        if isinstance(charge, stripe.Charge)
    }
    refunds = (await v1.refunds.list_async({"limit": 100})).data
    assert await mirrored(
        home, RefundRow, "amount", "currency", "status", "failure_reason", "payment_intent", "reason"
    ) == {
        one.id: (
            one.amount,
            one.currency,
            one.status,
            one.to_dict().get("failure_reason"),
            one.payment_intent,
            one.reason,
        )
        for one in refunds
        if one.payment_intent in {payment.id for payment, _ in payments}
    }
    notes = (await v1.credit_notes.list_async({"limit": 100})).data
    assert await mirrored(home, CreditNoteRow, "amount", "status", "invoice_id", "number") == {
        one.id: (one.amount, one.status, one.invoice, one.number) for one in notes
    }
    invoices = (await v1.invoices.list_async({"limit": 100})).data
    assert await mirrored(home, Invoice, "status", "total", "amount_paid", "amount_remaining") == {
        str(one.id): (one.status, one.total, one.amount_paid, one.amount_remaining)
        for one in invoices
        if one.customer in customers
    }


async def states(home: House, *types: str) -> set[str]:
    """Where the events of these types have ended."""
    async with home.database.reading() as session:
        events = (await session.exec(select(StripeEvent))).all()
    return {event.state for event in events if event.type in types}


async def refund(home: House, payment: str, **params: Any) -> stripe.Refund:
    """Made in Stripe, as its dashboard would."""
    wanted: Any = {"payment_intent": payment, **params}
    return await home.shop.client.v1.refunds.create_async(wanted)


async def a_busy_day(home: House, tenant: Tenant, customer: str | None = None) -> None:
    """Refunds of every course, credit notes, a credit on the balance and a void invoice, in Stripe itself."""
    v1 = home.shop.client.v1
    customer = customer or await money.customer(home.shop, tenant)
    visa = await money.pay(home.shop, customer, 1000)
    pending = await money.pay(home.shop, customer, 2000, "pm_card_pendingRefund")
    failing = await money.pay(home.shop, customer, 3000, "pm_card_refundFail")
    for amount in (100, 200):
        await refund(home, visa, amount=amount, reason="duplicate")
    await refund(home, pending)
    await refund(home, failing, amount=500)
    unpaid = await money.invoice(home.shop, customer, 5000)
    await v1.credit_notes.create_async({"invoice": unpaid, "amount": 700})
    void = await v1.credit_notes.create_async({"invoice": unpaid, "amount": 300})
    await v1.credit_notes.void_credit_note_async(void.id)
    await v1.customers.balance_transactions.create_async(customer, {"amount": -900, "currency": "usd"})
    await money.invoice(home.shop, customer, 400, paid=True)
    wrong = await money.invoice(home.shop, customer, 600)
    await v1.invoices.void_invoice_async(wrong)
    home.stand_in.advance(SETTLED)


@ON_BOTH_DATABASES
@pytest.mark.parametrize("mode", ["normal", "duplicate", "reorder"])
async def test_whatever_order_events_come_in_the_mirror_ends_as_stripe(
    home: House, acme: Tenant, mode: str
) -> None:
    home.stand_in.webhooks(mode=mode)
    await a_busy_day(home, acme)
    await home.followed()
    await the_mirror_is_as_stripe(home)
    assert await states(home, "refund.created", "credit_note.voided", "invoice.voided") == {"done"}


async def test_events_that_come_late_show_what_is_now_and_not_what_was(home: House, acme: Tenant) -> None:
    home.stand_in.webhooks(mode="hold")
    await a_busy_day(home, acme)
    assert await mirrored(home, RefundRow) == {}
    home.stand_in.webhooks(mode="reorder")
    await home.followed()
    await the_mirror_is_as_stripe(home)


async def test_what_a_lost_event_said_is_learnt_from_the_next_one(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 1000)
    await home.followed()
    home.stand_in.webhooks(mode="drop")
    await refund(home, payment, amount=100)
    await refund(home, payment, amount=200)
    home.stand_in.webhooks(mode="normal")
    await home.followed()
    assert await mirrored(home, PaymentRow, "amount_refunded") == {payment: (0,)}
    await refund(home, payment, amount=300)
    await home.followed()
    assert await mirrored(home, PaymentRow, "amount_refunded") == {payment: (600,)}
    await the_mirror_is_as_stripe(home)


@ON_BOTH_DATABASES
async def test_a_customer_who_becomes_an_organizations_comes_with_all_that_is_theirs(
    home: House, acme: Tenant
) -> None:
    customers = home.shop.client.v1.customers
    customer = (await customers.create_async({"name": "Somebody's"})).id
    paid = await money.invoice(home.shop, customer, 700, paid=True)
    await a_busy_day(home, acme, customer)
    await home.followed()
    assert await mirrored(home, Customer) == await mirrored(home, Invoice) == {}

    await customers.update_async(customer, {"metadata": {"plixo_organization": acme.id}})
    await home.followed()

    await the_mirror_is_as_stripe(home)
    links = await mirrored(home, PaymentRow, "invoice_id")
    assert links[await money.payment_of(home.shop, paid)] == (paid,)
    changes = await mirrored(home, BalanceTransactionRow, "amount", "type")
    assert (-900, "adjustment") in changes.values()
    line = home.stand_in.last_request()
    await customers.update_async(customer, {"name": "Theirs"})
    await home.followed()
    asked = [request["path"] for request in home.stand_in.requests(line)]
    assert not {"/v1/invoices", "/v1/payment_intents", "/v1/credit_notes"}.intersection(asked)


async def test_a_customer_whom_a_comparison_finds_before_the_event_comes_with_all_that_is_theirs_too(
    home: House, acme: Tenant
) -> None:
    v1 = home.shop.client.v1
    customer = (await v1.customers.create_async({"name": "Somebody's"})).id
    await a_busy_day(home, acme, customer)
    await home.followed()
    home.stand_in.webhooks(mode="hold")
    await v1.customers.update_async(customer, {"metadata": {"plixo_organization": acme.id}})
    await customers_page(MirrorAccess(home.shop.client, home.database, case_rules()))
    assert list(await mirrored(home, Customer)) == [customer]
    home.stand_in.webhooks(mode="normal")
    await home.followed()
    await the_mirror_is_as_stripe(home)


async def test_a_customer_who_was_made_as_an_organizations_is_read_alone(home: House, acme: Tenant) -> None:
    line = home.stand_in.last_request()
    await money.customer(home.shop, acme)
    await home.followed()
    asked = [request["path"] for request in home.stand_in.requests(line)]
    assert "/v1/invoices" not in asked


async def test_a_payment_of_an_invoice_names_it(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    invoice = await money.invoice(home.shop, customer, 400, paid=True)
    alone = await money.pay(home.shop, customer, 900)
    payment = await money.payment_of(home.shop, invoice)
    await home.followed()
    assert await mirrored(home, PaymentRow, "invoice_id") == {payment: (invoice,), alone: (None,)}
    await refund(home, payment)
    await home.followed()
    assert await mirrored(home, PaymentRow, "invoice_id", "amount_refunded") == {
        payment: (invoice, 400),
        alone: (None, 0),
    }


def its_intent(operation: Operation, refund: str) -> Intent:
    """That of an operation which has made the refund."""
    return an_intent(operation, effect="refund.create", state="done", stripe_id=refund)


async def test_the_workflow_that_waits_for_a_refund_is_woken(
    home: House, acme: Tenant, waiters: None
) -> None:
    operation = an_operation(acme, kind="refund")
    await store(home.database, operation)
    workflow = await waiting(home, operation)
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 1000)
    home.stand_in.webhooks(mode="hold")
    made = await refund(home, payment)
    await store(home.database, its_intent(operation, made.id))
    home.stand_in.webhooks(mode="normal")

    async def told() -> bool:
        return bool(await workflow.query(Waiting.told))

    # Its result is asked for when it is there: waiting for it lets the server skip time.
    await until(told, lambda: "nobody told the workflow")
    await home.followed()
    assert (await workflow.result()).startswith("evt_")
    assert await mirrored(home, RefundRow, "operation_id", "organization_id") == {
        made.id: (operation.id, acme.id)
    }


async def test_a_workflow_that_has_ended_or_was_forgotten_is_left_alone(
    home: House, acme: Tenant, waiters: None
) -> None:
    over: dict[str, Any] = {"kind": "refund", "state": "completed", "closed_at": NOW}
    operation, forgotten = an_operation(acme, **over), an_operation(acme, **over)
    await store(home.database, operation, forgotten)
    workflow = await waiting(home, operation)
    await workflow.signal(Waiting.stripe_changed, StripeChanged(event="evt_earlier"))

    async def ended() -> bool:
        return (await workflow.describe()).status == WorkflowExecutionStatus.COMPLETED

    await until(ended, lambda: "the workflow has not ended")
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 1000)
    home.stand_in.webhooks(mode="hold")
    for one in (operation, forgotten):
        made = await refund(home, payment, amount=100)
        await store(home.database, its_intent(one, made.id))
    home.stand_in.webhooks(mode="normal")
    await home.followed()
    assert await states(home, "refund.created", "charge.refunded") == {"done"}
    woken = await mirrored(home, Outbox, "workflow_id", "name", "state")
    assert {told for told in woken.values() if told[1] == "stripe_changed"} == {
        (one.workflow_id, "stripe_changed", "delivered") for one in (operation, forgotten)
    }


async def test_another_organizations_workflow_is_not_woken(home: House, acme: Tenant, waiters: None) -> None:
    other = await home.shop.tenant(home.database)
    await home.followed()  # the events of their own subscriptions
    operation, change = an_operation(other, kind="refund"), an_operation(acme, kind="plan_change")
    await store(home.database, operation, change)
    workflows = [await waiting(home, one) for one in (operation, change)]
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 1000)
    home.stand_in.webhooks(mode="hold")
    for one in (operation, change):
        made = await refund(home, payment, amount=100, metadata={"plixo_operation": one.id})
        await store(home.database, its_intent(one, made.id))
    home.stand_in.webhooks(mode="normal")
    await home.followed()
    assert [await workflow.query(Waiting.told) for workflow in workflows] == [0, 0]
    for workflow in workflows:
        await workflow.terminate()


async def test_what_is_no_organizations_of_ours_is_ignored(home: House, acme: Tenant) -> None:
    v1 = home.shop.client.v1
    strangers = [
        (await v1.customers.create_async({"name": "Nobody's"})).id,
        (await v1.customers.create_async({"metadata": {"plixo_organization": "org_unknown"}})).id,
    ]
    await home.followed()
    earlier = await mirrored(home, StripeEvent)
    for stranger in strangers:
        payment = await money.pay(home.shop, stranger, 1000)
        await refund(home, payment, amount=100)
        await v1.customers.update_async(stranger, {"name": "Still"})
        invoice = await money.invoice(home.shop, stranger, 500)
        await v1.credit_notes.create_async({"invoice": invoice, "amount": 100})
        await v1.invoices.void_invoice_async(await money.invoice(home.shop, stranger, 500))
    await home.followed()
    followed = {"refund.created", "payment_intent.succeeded", "customer.updated", "invoice.voided"}
    followed |= {"credit_note.created", "invoiceitem.created"}
    now = await mirrored(home, StripeEvent, "type", "state")
    assert {event for id_, event in now.items() if id_ not in earlier and event[0] in followed} == {
        (type_, "ignored") for type_ in followed
    }
    for table in (Customer, PaymentRow, RefundRow, Invoice, CreditNoteRow):
        assert await mirrored(home, table) == {}


async def test_what_stripe_does_not_know_is_ignored(home: House) -> None:
    gone = {
        "refund.updated": "re_gone",
        "charge.refunded": "ch_gone",
        "payment_intent.payment_failed": "pi_gone",
        "credit_note.voided": "cn_gone",
        "customer.updated": "cus_gone",
        "customer.deleted": "re_of_another_kind",
        "customer.subscription.deleted": "sub_gone",
        "invoice.paid": "in_gone",
        "invoice.deleted": "in_gone",
        "invoice_payment.paid": "inpay_gone",
        "subscription_schedule.released": "sub_sched_gone",
    }
    for type_, object_id in gone.items():
        answer = await post(home, type_, {"id": object_id, "amount": 1, "status": "succeeded"})
        assert answer.status_code == 200
    await home.followed()
    assert await states(home, *gone) == {"ignored"}
    for table in (Customer, PaymentRow, RefundRow, Invoice, CreditNoteRow):
        assert await mirrored(home, table) == {}


@ON_BOTH_DATABASES
async def test_a_subscription_and_a_schedule_of_nobody_of_ours_are_ignored(home: House, acme: Tenant) -> None:
    v1 = home.shop.client.v1
    stranger = await v1.customers.create_async({"name": "Nobody's"})
    method = await v1.payment_methods.attach_async("pm_card_visa", {"customer": stranger.id})
    await home.followed()
    types = ["customer.subscription.created", "subscription_schedule.created", "invoice.paid"]
    home.stand_in.webhooks(events=types)
    subscription = await v1.subscriptions.create_async(
        {
            "customer": stranger.id,
            "default_payment_method": method.id,
            "items": [{"price": home.shop.price["scale", "month"], "quantity": 2}],
        }
    )
    await v1.subscription_schedules.create_async({"from_subscription": subscription.id})
    await home.followed()
    async with home.database.reading() as session:
        events = await session.exec(select(StripeEvent).order_by(col(StripeEvent.received_at).desc()))
        assert {event.type: event.state for event in events.all()[:3]} == dict.fromkeys(types, "ignored")


async def test_the_snapshot_in_an_event_is_not_believed(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 1000)
    made = (await refund(home, payment, amount=100)).to_dict()
    await post(home, "refund.failed", made | {"status": "failed", "amount": 1})
    await home.followed()
    assert await mirrored(home, RefundRow, "status", "amount") == {made["id"]: ("succeeded", 100)}


async def test_a_customer_that_was_deleted_is_deleted_in_the_mirror(home: House, acme: Tenant) -> None:
    v1 = home.shop.client.v1
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 1000)
    await home.followed()
    await v1.customers.delete_async(customer)
    await post(home, "customer.updated", {"id": customer})
    made = await refund(home, payment, amount=100)
    await home.followed()
    assert await mirrored(home, Customer, "deleted", "organization_id") == {customer: (True, acme.id)}
    assert await mirrored(home, RefundRow, "status") == {made.id: ("succeeded",)}


@ON_BOTH_DATABASES
async def test_an_event_is_followed_however_often_stripe_fails_before(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 1000)
    for fault in ("rate_limit", "bad_gateway", "drop_before"):
        home.stand_in.fault(fault, method="GET", path="/v1/refunds/", times=1)
    await refund(home, payment, amount=100)
    await home.followed()
    await the_mirror_is_as_stripe(home)


async def post(home: House, type_: str, snapshot: dict[str, Any]) -> Response:
    """A signed event of the test's own."""
    body = json.dumps(
        {
            "id": f"evt_test_{type_.replace('.', '_')}",
            "object": "event",
            "type": type_,
            "created": home.stand_in.now(),
            "livemode": False,
            "data": {"object": snapshot},
        }
    )
    signature = stripe.WebhookSignature.generate_signature_header(body, SECRET)
    return await home.http.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": signature})


# --- Events that can't be followed ------------------------------------------------------------------------


async def an_event_of(home: House, object_id: str) -> StripeEvent:
    async with home.database.reading() as session:
        [event] = await session.exec(select(StripeEvent).where(StripeEvent.object_id == object_id))
        return event


def ahead(home: House, time: timedelta) -> EventSweep:
    """As the worker's, so much later."""
    events = StripeEvents(home.shop.client, home.database, case_rules())
    bills = Bills(home.shop.client, home.database)
    return EventSweep(home.database, events, bills, 4, clock=lambda: utc_now() + time)


@pytest.mark.parametrize("how", ["a bug", "Stripe refuses to show it"])
async def test_an_event_that_can_not_be_followed_has_an_end_and_the_others_go_on(
    home: House, acme: Tenant, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    store = CustomerSnapshot.store
    good = await money.customer(home.shop, acme)
    await home.followed()

    async def breaks(snapshot: CustomerSnapshot, *given: Any) -> None:
        if snapshot.customer["name"] == "Poison":
            raise KeyError("currency")
        await store(snapshot, *given)

    async def refuses(reading: Awaitable[Any]) -> Any:
        found = await reading
        if isinstance(found, CustomerSnapshot) and found.customer.get("name") == "Poison":
            raise ApplicationError("No.", type="account_invalid", non_retryable=True)
        return found

    if how == "a bug":
        monkeypatch.setattr(CustomerSnapshot, "store", breaks)
    else:
        monkeypatch.setattr(readers, "ask_for", refuses)
    poison = await money.customer(home.shop, acme, "Poison")
    await home._delivered()

    time = timedelta()
    while (event := await an_event_of(home, poison)).state == "pending":
        assert time < timedelta(minutes=5), "it is tried for ever"
        time += timedelta(seconds=31)
        await ahead(home, time).sweep()
    assert event.error is not None
    assert event.error.startswith("KeyError at" if how == "a bug" else "account_invalid")
    await home.shop.client.v1.customers.update_async(good, {"name": "Renamed"})
    await home.followed()
    assert (await mirrored(home, Customer, "name"))[good] == ("Renamed",)

    # When what was wrong is fixed, it is followed after all.
    monkeypatch.undo()
    assert event.again_at is not None
    await ahead(home, event.again_at - utc_now()).sweep()
    assert (await an_event_of(home, poison)).state == "done"
    assert (await mirrored(home, Customer, "name"))[poison] == ("Poison",)


async def test_what_no_webhook_has_brought_is_asked_for_when_that_is_due_and_only_then(
    home: House, acme: Tenant
) -> None:
    home.stand_in.webhooks(mode="drop")
    customer = await money.customer(home.shop, acme)
    care, line = EventCare(home.database, home.temporal), home.stand_in.last_request()

    def asked() -> int:
        return sum(one["path"] == "/v1/events" for one in home.stand_in.requests(line))

    async def is_mirrored() -> bool:
        return customer in await mirrored(home, Customer, "name")

    now = await home.now()
    await care.catch_up(now)
    await until(is_mirrored, lambda: "nobody asked for its event", home.patience)
    await home.followed()
    once = asked()
    await care.catch_up(now + timedelta(seconds=1))
    await home.settled()
    assert (once, asked()) == (1, 1)
