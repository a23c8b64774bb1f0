"""A request that nothing can come of any more ends when Stripe says so, not when somebody decides on it."""

from typing import Any

import pytest
from sqlmodel import select

from db.tables import Commitment

from ...support import money
from ...support.builders import Tenant
from ...support.house import House
from ..mail.test_ends_are_told import has_mail

REVISION = {"decision": "request_changes", "comment": "Less, please."}
WAITS = pytest.mark.parametrize("revised", [False, True], ids=["review", "revision"])


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def waits(home: House, acme: Tenant, operation: str, revised: bool) -> None:
    """Until people are waited for: whoever approves it, or whoever was asked to revise it."""
    await home.reviewed(acme, operation)
    await has_mail(home, acme.controller, "review_requested")
    if revised:
        await home.decide(acme.controller, operation, **REVISION)
        await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")


async def ended(home: House, acme: Tenant, operation: str, state: str, code: str) -> dict[str, Any]:
    """It ended by itself: nobody can decide on it, and nothing is set aside for it."""
    found = await home.wait(acme, operation, state)
    assert (found["error"]["code"], found["allowed_actions"]) == (code, [])
    approval = await home.get(acme.auditor, f"/v1/approvals/{found['approval']}")
    assert approval["state"] in ("dismissed", "changes_requested")
    async with home.database.reading() as session:
        held = select(Commitment).where(Commitment.operation_id == operation)
        assert all(one.released_at is not None for one in await session.exec(held))
    return found


@WAITS
async def test_a_plan_change_that_people_are_asked_about_ends_with_its_subscription(
    home: House, acme: Tenant, revised: bool
) -> None:
    async with home.told_by_stripe():
        operation = await home.ask(acme)
        await waits(home, acme, operation, revised)
        await has_mail(home, acme.finance, "notice plan_change_requested")
        await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)
        await home.followed()
        await ended(home, acme, operation, "failed", "subscription_ended")
    await has_mail(home, acme.finance, "notice_over failed plan_change_requested")
    await has_mail(home, acme.admin, "plan_change_ended failed")
    await has_mail(home, acme.controller, "review_over failed")
    notices = (await home.get(acme.finance, "/v1/notices"))["data"]
    [asked_for] = [one for one in notices if one["kind"] == "plan_change_requested"]
    assert asked_for["state"] == "superseded"


@WAITS
async def test_a_refund_that_people_are_asked_about_ends_when_its_payment_is_given_back(
    home: House, acme: Tenant, revised: bool
) -> None:
    async with home.told_by_stripe():
        payment = await money.pay(home.shop, await money.customer(home.shop, acme), 80_000)
        operation = await money.refund(home, acme, payment, 60_000)
        await waits(home, acme, operation, revised)
        await home.shop.client.v1.refunds.create_async({"payment_intent": payment})
        await home.followed()
        await ended(home, acme, operation, "blocked", "already_refunded")


async def test_a_refund_that_a_smaller_amount_would_mend_waits_for_people(home: House, acme: Tenant) -> None:
    async with home.told_by_stripe():
        payment = await money.pay(home.shop, await money.customer(home.shop, acme), 80_000)
        operation = await money.refund(home, acme, payment, 60_000)
        await waits(home, acme, operation, revised=True)
        await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 50_000})
        await home.followed()
        body = {"payment_intent": payment, "amount_minor": 30_000, "reason": "duplicate", "note": money.NOTE}
        answer = await home.post(acme.admin, f"/v1/refunds/{operation}/revision", body)
        assert answer.status_code == 200, answer.text
        await home.wait(acme, operation, "awaiting_approval", "completed")


@WAITS
async def test_a_credit_note_that_people_are_asked_about_ends_with_its_invoice(
    home: House, acme: Tenant, revised: bool
) -> None:
    async with home.told_by_stripe():
        who = await money.customer(home.shop, acme)
        bill = await money.invoice(home.shop, who, 90_000)
        operation = await money.credit(
            home, acme, who, 60_000, instrument="credit_note", invoice=bill, reason="duplicate"
        )
        other = await money.credit(home, acme, who, 60_000)
        await waits(home, acme, operation, revised)
        await waits(home, acme, other, revised=False)
        line = home.stand_in.last_request()
        await home.shop.client.v1.invoices.void_invoice_async(bill)
        await home.followed()
        await ended(home, acme, operation, "blocked", "invoice_not_creditable")
        await home.wait(acme, other, "awaiting_approval")
        looks = [one for one in home.stand_in.requests(line) if one["path"] == f"/v1/customers/{who}"]
        assert len(looks) <= 2, (
            "one look each for the events of the invoice, and none for what it is not about"
        )


@WAITS
async def test_a_credit_that_people_are_asked_about_ends_with_its_customer(
    home: House, acme: Tenant, revised: bool
) -> None:
    async with home.told_by_stripe():
        who = await money.customer(home.shop, acme)
        operation = await money.credit(home, acme, who, 60_000)
        await waits(home, acme, operation, revised)
        await home.shop.client.v1.customers.delete_async(who)
        await home.followed()
        await ended(home, acme, operation, "blocked", "customer_unknown")


async def test_while_stripe_cannot_be_asked_people_go_on_and_the_end_is_found_later(
    home: House, acme: Tenant
) -> None:
    async with home.told_by_stripe():
        payment = await money.pay(home.shop, await money.customer(home.shop, acme), 80_000)
        gone = await money.refund(home, acme, payment, 60_000)
        await waits(home, acme, gone, revised=False)
    await home.shop.client.v1.refunds.create_async({"payment_intent": payment})
    path = f"^/v1/payment_intents/{payment}$"
    home.stand_in.fault("error_before", times=50, method="GET", path=path)
    workflow = home.temporal.get_workflow_handle(f"operation-{gone}")
    await workflow.signal("stripe_changed", {"event": "evt_1"})
    await home.skip(minutes=3)
    home.stand_in.clear_faults()
    await home.skip(minutes=10)
    await ended(home, acme, gone, "blocked", "already_refunded")
