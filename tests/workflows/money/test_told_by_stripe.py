"""What waits for Stripe is told of what happens there, and looks by itself only if events fail."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlmodel import select

from billing.stripe.events import FRESH
from db.tables import Invoice, InvoiceLines, Organization, StripeEvent
from workflows.core import options

from ...support import money
from ...support.builders import Tenant, store
from ...support.house import House
from .machine_standing import Operations

SETTLED = 90
"""Seconds by the stand-in's clock after which a refund has come to its end."""
HALF_A_MONTH = 15 * 86_400


@pytest.fixture(autouse=True)
async def _told(home: House) -> AsyncIterator[None]:
    async with home.told_by_stripe():
        yield


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database, "growth")


async def a_pending_refund(home: House, tenant: Tenant, card: str = "pm_card_pendingRefund") -> str:
    payment = await money.pay(home.shop, await money.customer(home.shop, tenant), 1000, card)
    operation = await money.refund(home, tenant, payment)
    await home.wait(tenant, operation, "running", stage="pending")
    await at_rest(home, tenant)
    return operation


async def a_scheduled_change(home: House, tenant: Tenant) -> str:
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(tenant, plan="starter", effective="period_end")
    await home.reviewed(tenant, operation)
    await home.decide(tenant.controller, operation)
    await home.wait(tenant, operation, "running", stage="scheduled")
    await at_rest(home, tenant)
    return operation


async def at_rest(home: House, tenant: Tenant) -> None:
    """Whatever events woke has been done: a signal that is on its way does not show at the first look."""
    await home.followed()
    asked: list[int] = []
    while len(asked) < 4 or len(set(asked[-4:])) > 1:
        await Operations(home, tenant.id).rest()
        asked.append(home.stand_in.last_request())
        await asyncio.sleep(0.05)


async def some_hours(home: House, *, catching_up: bool) -> list[str]:
    """Past the moments at which a workflow that has just begun to wait would look; what Stripe was asked.

    How many of its delays the workflow has used up depends on how many of the first events it was told of
    one by one: so events stay known all the time, not around the moments of one such count.
    """
    line = home.stand_in.last_request()
    until = await home.now() + sum(options.FOLLOW[:6], timedelta())
    while await home.now() < until:
        if catching_up:
            await home.catch_up()
        await home.skip(seconds=FRESH.total_seconds() / 2)
    return [asked["path"] for asked in home.stand_in.requests(line)]


async def missed(home: House) -> set[str]:
    """The types of events that no webhook brought."""
    async with home.database.reading() as session:
        events = await session.exec(select(StripeEvent))
        return {event.type for event in events if event.missed}


async def mirrored(home: House, tenant: Tenant) -> Organization:
    async with home.database.reading() as session:
        found = await session.get(Organization, tenant.id)
    assert found is not None
    return found


# --- Refunds ----------------------------------------------------------------------------------------------


async def test_a_pending_refund_is_not_asked_after_while_all_events_are_known(
    home: House, acme: Tenant
) -> None:
    await home.catch_up()
    operation = await a_pending_refund(home, acme)
    assert set(await some_hours(home, catching_up=True)) == {"/v1/events"}

    home.stand_in.advance(SETTLED)  # no time passes for the workflow
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["status"] == "succeeded"


async def test_it_is_asked_after_where_nobody_knows_whether_events_are_missing(
    home: House, acme: Tenant
) -> None:
    operation = await a_pending_refund(home, acme)
    home.stand_in.webhooks(mode="drop")
    asked = await some_hours(home, catching_up=False)
    assert {path.rpartition("/")[0] for path in asked} == {"/v1/refunds"}

    home.stand_in.advance(SETTLED)
    await home.skip(hours=5)
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["status"] == "succeeded"
    assert await missed(home) == set()


async def test_a_backlog_of_others_events_sends_no_workflow_to_stripe(home: House, acme: Tenant) -> None:
    await home.catch_up()
    await a_pending_refund(home, acme)
    stuck = StripeEvent(
        id="evt_stuck",
        type="refund.updated",
        object_id="re_other",
        livemode=False,
        created_at=await home.now() - timedelta(hours=1),
        received_at=await home.now() - timedelta(hours=1),
    )
    await store(home.database, stuck)
    assert set(await some_hours(home, catching_up=True)) == {"/v1/events"}


async def test_a_look_that_a_workflow_takes_by_itself_comes_after_events(home: House, acme: Tenant) -> None:
    operation = await a_pending_refund(home, acme)
    home.stand_in.webhooks(mode="drop")
    await some_hours(home, catching_up=False)
    history = await home.temporal.get_workflow_handle(f"operation-{operation}").fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    looks = [one.priority.priority_key for one in scheduled if one.activity_type.name == "read_refund"]
    assert looks[0] == options.PEOPLE.priority_key
    assert looks[-1] == options.LOOKS.priority_key
    assert options.LOOKS.priority_key > options.EVENTS.priority_key  # type: ignore[operator]


async def test_it_is_asked_after_again_when_the_check_of_events_has_died(home: House, acme: Tenant) -> None:
    await home.catch_up()
    operation = await a_pending_refund(home, acme)
    home.stand_in.webhooks(mode="drop")
    home.stand_in.advance(SETTLED)
    await home.skip(minutes=1)
    running = await home.get(acme.admin, f"/v1/operations/{operation}")
    assert running["stage"] == "pending"
    await home.skip(minutes=30)
    assert (await home.wait(acme, operation, "completed"))["result"]["status"] == "succeeded"


async def test_a_lost_event_is_found_and_ends_the_refund(home: House, acme: Tenant) -> None:
    operation = await a_pending_refund(home, acme)
    await home.catch_up()
    home.stand_in.webhooks(mode="drop")
    home.stand_in.advance(SETTLED)
    assert await home.catch_up() >= 2
    await home.wait(acme, operation, "completed")  # no time has passed for the workflow
    await home.followed()
    assert await missed(home) >= {"refund.updated", "charge.refund.updated"}


async def test_a_refund_that_fails_late_is_noticed_by_its_event(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 1000, "pm_card_refundFail")
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "completed")
    home.stand_in.advance(SETTLED)
    failed = await home.wait(acme, operation, "failed", stage="refund_failed")
    assert failed["error"]["code"] == "refund_failed"


async def test_a_refund_whose_metadata_was_cleared_in_stripe_still_wakes_its_workflow(
    home: House, acme: Tenant
) -> None:
    operation = await a_pending_refund(home, acme)
    found = await home.get(acme.admin, f"/v1/operations/{operation}")
    refund = found["result"]["refund"]
    await home.shop.client.v1.refunds.update_async(refund, {"metadata": {"plixo_operation": ""}})
    await home.followed()
    home.stand_in.advance(SETTLED)
    await home.wait(acme, operation, "completed")


# --- Plan changes -----------------------------------------------------------------------------------------


async def test_a_scheduled_change_ends_by_the_events_of_its_renewal(home: House, acme: Tenant) -> None:
    operation = await a_scheduled_change(home, acme)
    home.stand_in.advance(HALF_A_MONTH + 86_400)  # no time passes for the workflow
    done = await home.wait(acme, operation, "completed")
    await home.followed()
    assert [line["amount_minor"] for line in done["result"]["lines"]] == [6 * 1000]
    organization = await mirrored(home, acme)
    assert organization.subscription is not None
    assert (organization.subscription["plan"], organization.subscription["schedule"]) == ("starter", None)


async def test_a_scheduled_change_ends_without_events_too(home: House, acme: Tenant) -> None:
    operation = await a_scheduled_change(home, acme)
    home.stand_in.webhooks(mode="drop")
    home.stand_in.advance(HALF_A_MONTH + 86_400)
    await home.skip(days=1)
    await home.wait(acme, operation, "completed")


async def test_a_scheduled_change_ends_by_the_events_that_were_missed(home: House, acme: Tenant) -> None:
    operation = await a_scheduled_change(home, acme)
    home.stand_in.webhooks(mode="drop")
    await home.catch_up()
    home.stand_in.advance(HALF_A_MONTH + 86_400)
    await home.catch_up()
    await home.wait(acme, operation, "completed")
    await home.followed()
    assert await missed(home) >= {"customer.subscription.updated", "subscription_schedule.updated"}


async def test_a_schedule_that_is_released_in_stripe_ends_the_change(home: House, acme: Tenant) -> None:
    operation = await a_scheduled_change(home, acme)
    schedule = (await home.shop.subscription(acme)).schedule
    assert isinstance(schedule, str)
    await home.shop.client.v1.subscription_schedules.release_async(schedule)
    failed = await home.wait(acme, operation, "failed")
    assert failed["error"]["code"] == "schedule_gone"
    again = await home.ask(acme, plan="starter")
    await home.reviewed(acme, again)


async def test_a_subscription_that_is_no_plan_any_more_ends_the_change_with_its_schedule(
    home: House, acme: Tenant
) -> None:
    operation = await a_scheduled_change(home, acme)
    before = await mirrored(home, acme)
    # An item without an id is a second one.
    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription, {"items": [{"price": home.shop.price["scale", "month"]}]}
    )
    failed = await home.wait(acme, operation, "failed")
    await home.followed()
    assert failed["error"]["code"] == "several_plans"
    assert (await home.shop.subscription(acme)).schedule is None
    held = dict((await mirrored(home, acme)).subscription or {})
    assert held.pop("unreadable")
    assert held == before.subscription, "beside why, it is what it was"


# --- The mirror -------------------------------------------------------------------------------------------


async def test_a_subscription_that_is_changed_in_stripe_is_mirrored(home: House, acme: Tenant) -> None:
    subscription = await home.shop.subscription(acme)
    [item] = subscription["items"].data
    await home.shop.client.v1.subscriptions.update_async(
        subscription.id, {"items": [{"id": item.id, "quantity": 9}]}
    )
    await home.followed()
    assert ((await mirrored(home, acme)).subscription or {})["seats"] == 9
    await home.shop.client.v1.subscriptions.cancel_async(subscription.id)
    await home.followed()
    assert ((await mirrored(home, acme)).subscription or {})["status"] == "canceled"


async def test_a_draft_that_is_deleted_in_stripe_leaves_the_mirror(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    kept, gone = [await money.invoice(home.shop, customer, 500, finalized=False) for _ in range(2)]
    await home.followed()
    await home.shop.client.v1.invoices.delete_async(gone)
    await home.followed()
    async with home.database.reading() as session:
        assert set(await session.exec(select(Invoice.id))) == {kept}
        assert set(await session.exec(select(InvoiceLines.invoice_id))) == {kept}


async def test_what_pays_an_invoice_is_mirrored_with_it(home: House, acme: Tenant) -> None:
    home.stand_in.webhooks(events=["customer.created", "invoice_payment.paid"])
    customer = await money.customer(home.shop, acme)
    invoice = await money.invoice(home.shop, customer, 400, paid=True)
    await home.followed()
    found = await home.get(acme.admin, "/v1/payments")
    assert [(one["invoice"], one["status"]) for one in found["data"]] == [(invoice, "succeeded")]
    billed = await home.get(acme.admin, f"/v1/invoices/{invoice}")
    assert billed["status"] == "paid"


async def test_an_attempt_to_pay_that_failed_is_no_payment(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    invoice = await money.invoice(home.shop, customer, 400)
    v1 = home.shop.client.v1
    method = await v1.payment_methods.attach_async("pm_card_chargeCustomerFail", {"customer": customer})
    with pytest.raises(Exception, match="declined"):
        await v1.invoices.pay_async(invoice, {"payment_method": method.id})
    await home.followed()
    assert (await home.get(acme.admin, "/v1/payments"))["data"] == []
