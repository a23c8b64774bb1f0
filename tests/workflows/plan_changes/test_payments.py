"""Changes whose payment needs the payer, or a bank's days: applied, expired, voided, or there without it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import select

from billing.plan_changes.subject import PlanChangeInput
from db.tables import Intent, StripeEventCheck
from workflows.core import ids

from ...support.builders import Tenant, store
from ...support.house import House, until
from ...support.money import authenticate
from ...support.restarts import run_again, stopped
from ..conftest import ON_BOTH_DATABASES
from .test_workflow import HALF_A_MONTH

HOUR, DAY = 3600, 86_400
ASKS, DECLINES = "pm_card_authenticationRequired", "pm_card_chargeCustomerFail"


@pytest.fixture
async def acme(home: House) -> Tenant:
    now = datetime.now(UTC)
    await store(home.database, StripeEventCheck(id="account", complete_until=now, checked_at=now))
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    return acme


@pytest.fixture
async def told(home: House, acme: Tenant) -> AsyncIterator[None]:
    async with home.told_by_stripe():
        yield


async def approved(home: House, acme: Tenant, method: str, **wanted: Any) -> str:
    """A change that is charged at once to this payment method, approved."""
    await home.shop.use_card(acme, method)
    operation = await home.ask(acme, plan="growth", **wanted)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    return operation


async def waits(home: House, acme: Tenant, operation: str, needs: str) -> dict[str, Any]:
    found = await home.wait(acme, operation, "running", stage="payment_due")
    assert found["result"]["needs"] == needs
    return found


async def plan_of(home: House, acme: Tenant) -> str:
    item = (await home.shop.subscription(acme))["items"].data[0]
    return next(plan for (plan, _), price in home.shop.price.items() if price == item.price.id)


async def pay(home: House, acme: Tenant, invoice: str, card: str = "pm_card_visa") -> None:
    v1 = home.shop.client.v1
    method = await v1.payment_methods.attach_async(card, {"customer": acme.organization.stripe_customer})
    await v1.invoices.pay_async(invoice, {"payment_method": method.id})


async def nothing_was_changed(home: House, acme: Tenant, invoice: str) -> None:
    subscription = await home.shop.subscription(acme)
    assert (await plan_of(home, acme), subscription.pending_update) == ("starter", None)
    assert (await home.shop.client.v1.invoices.retrieve_async(invoice)).status == "void"


async def no_case(home: House, acme: Tenant) -> None:
    assert (await home.get(acme.auditor, "/v1/cases"))["data"] == []


@ON_BOTH_DATABASES
async def test_a_payment_that_the_bank_asks_about_is_waited_for_and_then_verified(
    home: House, acme: Tenant, told: None
) -> None:
    operation = await approved(home, acme, ASKS)
    waiting = await waits(home, acme, operation, "authentication")
    due = waiting["result"]
    stripe = await home.shop.subscription(acme)
    assert stripe.pending_update is not None
    assert (due["invoice"], due["until"]) == (stripe.latest_invoice, stripe.pending_update.expires_at)
    seen = await home.get(acme.admin, f"/v1/operations/{operation}")
    assert seen["allowed_actions"] == ["cancel"]
    assert await plan_of(home, acme) == "starter"

    async def mailed() -> bool:
        return home.mail.names().count("plan_change_payment_due") == 2

    await until(mailed, lambda: f"{home.mail.names()}")
    assert "plan_change_payment_due" in home.mail.names(acme.admin.person)
    assert "plan_change_payment_due" in home.mail.names(acme.finance.person)
    [mail] = [
        one
        for one in home.mail.mailbox.mails
        if acme.admin.person.email in one["to"] and "Confirm the payment" in one["subject"]
    ]
    assert f"/console/plans/invoices/{due['invoice']}" in mail["text"]
    assert "stripe.com" not in mail["text"]
    assert home.stand_in.url not in mail["text"]

    await authenticate(home.shop, due["invoice"])
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["verified"] is True
    assert (done["result"]["invoice"], done["result"]["invoice_status"]) == (due["invoice"], "paid")
    assert done["result"]["total"] == due["amount"]
    assert await plan_of(home, acme) == "growth"
    await home.followed()
    events = await home.events(acme, operation)
    assert events[events.index("applying") :].count("payment_due") == 1
    assert events[-2:] == ["payment_made", "verified"] or "payment_made" in events
    await no_case(home, acme)
    assert len(await home.shop.invoices(acme)) == 2


async def test_a_declined_card_waits_for_another_one(home: House, acme: Tenant, told: None) -> None:
    operation = await approved(home, acme, DECLINES)
    due = (await waits(home, acme, operation, "payment_method"))["result"]
    assert due["problem"]["code"] == "generic_decline"
    await home.followed()
    bill = await home.get(acme.finance, f"/v1/organization/invoices/{due['invoice']}")
    assert bill["needs_payment"] is True
    await pay(home, acme, due["invoice"])
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["verified"] is True
    assert await plan_of(home, acme) == "growth"
    await home.followed()
    await no_case(home, acme)
    assert "bill_unpaid" not in home.mail.names(), "the change itself has told of it"


async def test_who_fails_to_authenticate_is_told_to_pay_otherwise(
    home: House, acme: Tenant, told: None
) -> None:
    operation = await approved(home, acme, ASKS)
    due = (await waits(home, acme, operation, "authentication"))["result"]
    await authenticate(home.shop, due["invoice"], passes=False)

    async def otherwise() -> bool:
        found = await home.get(acme.auditor, f"/v1/operations/{operation}")
        return bool(found["result"]["needs"] == "payment_method")

    await until(otherwise, lambda: "nothing else is needed")
    assert (await home.events(acme, operation)).count("payment_due") == 2
    await pay(home, acme, due["invoice"])
    await home.wait(acme, operation, "completed")


async def test_what_is_not_paid_in_time_expires(home: House, acme: Tenant, told: None) -> None:
    operation = await approved(home, acme, ASKS)
    due = (await waits(home, acme, operation, "authentication"))["result"]
    home.stand_in.advance(22 * HOUR)
    await home.followed()
    await home.wait(acme, operation, "running", stage="payment_due")
    home.stand_in.advance(2 * HOUR)
    ended = await home.wait(acme, operation, "expired")
    assert ended["error"]["code"] == "payment_expired"
    await nothing_was_changed(home, acme, due["invoice"])
    assert (await home.events(acme, operation)).count("payment_expired") == 1
    await home.followed()
    await no_case(home, acme)


@pytest.mark.parametrize("paid", [True, False])
async def test_events_that_are_lost_are_found_by_reading(home: House, acme: Tenant, paid: bool) -> None:
    operation = await approved(home, acme, ASKS)
    due = (await waits(home, acme, operation, "authentication"))["result"]
    if paid:
        home.stand_in.advance(22 * HOUR + 3500)
        await authenticate(home.shop, due["invoice"])
    else:
        home.stand_in.advance(24 * HOUR)
    await home.skip(hours=2)
    ended = await home.wait(acme, operation, "completed" if paid else "expired")
    assert (ended["error"] or {}).get("code") == (None if paid else "payment_expired")


@pytest.mark.parametrize("how", ["voided", "written off", "another change"])
async def test_what_is_voided_in_stripe_is_said_to_be_so(
    home: House, acme: Tenant, told: None, how: str
) -> None:
    operation = await approved(home, acme, ASKS)
    due = (await waits(home, acme, operation, "authentication"))["result"]
    v1 = home.shop.client.v1
    if how == "voided":
        await v1.invoices.void_invoice_async(due["invoice"])
    elif how == "written off":
        await v1.invoices.mark_uncollectible_async(due["invoice"])
    else:
        item = (await home.shop.subscription(acme))["items"].data[0].id
        await v1.subscriptions.update_async(
            acme.organization.stripe_subscription,
            {"items": [{"id": item, "quantity": 6}], "proration_behavior": "none"},
        )
    ended = await home.wait(acme, operation, "cancelled")
    assert ended["error"]["code"] == "payment_voided"
    assert await plan_of(home, acme) == "starter"


@ON_BOTH_DATABASES
async def test_who_cancels_has_the_invoice_voided(home: House, acme: Tenant, told: None) -> None:
    operation = await approved(home, acme, ASKS)
    due = (await waits(home, acme, operation, "authentication"))["result"]
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/cancel", {"comment": "Too dear."})
    assert answer.status_code == 200, answer.text
    ended = await home.wait(acme, operation, "cancelled")
    assert ended["error"] is None
    await nothing_was_changed(home, acme, due["invoice"])
    await home.followed()
    await no_case(home, acme)
    row = await home.get(acme.finance, f"/v1/organization/invoices/{due['invoice']}")
    assert row["status"] == "void"


async def test_what_was_paid_before_it_was_cancelled_is_there(home: House, acme: Tenant) -> None:
    operation = await approved(home, acme, ASKS)
    due = (await waits(home, acme, operation, "authentication"))["result"]
    await authenticate(home.shop, due["invoice"])
    await home.post(acme.admin, f"/v1/plan-changes/{operation}/cancel", {})
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["verified"] is True
    assert await plan_of(home, acme) == "growth"


@pytest.mark.parametrize("paid", [False, True])
async def test_a_void_that_an_earlier_run_has_begun_is_brought_to_its_end(
    home: House, acme: Tenant, paid: bool
) -> None:
    """The cancellation was given to that run, and is not given again."""
    operation = await approved(home, acme, ASKS)
    due = (await waits(home, acme, operation, "authentication"))["result"]
    home.stand_in.fault("drop_before", times=1_000, path=f"/v1/invoices/{due['invoice']}/void")
    await home.post(acme.admin, f"/v1/plan-changes/{operation}/cancel", {"comment": "Too dear."})

    async def begun() -> bool:
        async with home.database.reading() as session:
            found = await session.exec(select(Intent.step).where(Intent.operation_id == operation))
            return "void" in found.all()

    await until(begun, lambda: "the void was not begun")
    lost = await stopped(home, operation, PlanChangeInput)
    if paid:
        await authenticate(home.shop, due["invoice"])
    home.stand_in.clear_faults()
    await run_again(home, ids.PLAN_CHANGE, lost)
    ended = await home.wait(acme, operation, "cancelled", "completed", "mismatched")
    assert (ended["state"], ended["error"]) == ("completed" if paid else "cancelled", None)
    async with home.database.reading() as session:
        states = await session.exec(select(Intent.state).where(Intent.operation_id == operation))
        assert "open" not in states.all()


async def test_a_debit_that_is_tried_again_after_the_first_came_back_is_waited_for(
    home: House, acme: Tenant, told: None
) -> None:
    """While a bank takes its days, nothing asks for a person."""
    operation = await approved(home, acme, "pm_usBankAccount_insufficientFunds")
    await home.wait(acme, operation, "running", stage="payment_under_way")
    home.stand_in.advance(5 * DAY)
    failed = await home.wait(acme, operation, "mismatched")
    await pay(home, acme, failed["result"]["invoice"], "pm_usBankAccount_success")
    answer = {"action": "read_again", "comment": "It is being debited again."}
    await home.post(acme.controller, f"/v1/plan-changes/{operation}/resolution", answer)
    waiting = await home.wait(acme, operation, "running", stage="payment_under_way")
    assert (waiting["error"], waiting["result"]["needs"]) == (None, "time")
    home.stand_in.advance(5 * DAY)
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["invoice_status"] == "paid"


async def test_a_subscription_that_ends_ends_what_waits(home: House, acme: Tenant, told: None) -> None:
    operation = await approved(home, acme, ASKS)
    await waits(home, acme, operation, "authentication")
    await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)
    ended = await home.wait(acme, operation, "failed")
    assert ended["error"]["code"] == "subscription_ended"


async def test_another_interval_waits_for_its_payment_too(home: House, acme: Tenant, told: None) -> None:
    operation = await approved(home, acme, ASKS, interval="year")
    due = (await waits(home, acme, operation, "authentication"))["result"]
    home.stand_in.advance(HOUR)
    await authenticate(home.shop, due["invoice"])
    done = await home.wait(acme, operation, "completed", "mismatched")
    assert (done["state"], done["error"]) == ("completed", None)


@ON_BOTH_DATABASES
async def test_a_bank_debit_is_done_when_it_is_paid(home: House, acme: Tenant, told: None) -> None:
    operation = await approved(home, acme, "pm_usBankAccount_success")
    found = await home.wait(acme, operation, "running", stage="payment_under_way")
    assert (found["result"]["needs"], found["result"]["until"]) == ("time", None)
    assert (await home.get(acme.admin, f"/v1/operations/{operation}"))["allowed_actions"] == []
    assert "plan_change_payment_due" not in home.mail.names()
    home.stand_in.advance(5 * DAY)
    done = await home.wait(acme, operation, "completed")
    assert (done["result"]["verified"], done["result"]["invoice_status"]) == (True, "paid")
    await home.followed()
    await no_case(home, acme)


async def test_a_bank_debit_that_comes_back_is_told_to_finance_and_can_be_paid_otherwise(
    home: House, acme: Tenant, told: None
) -> None:
    operation = await approved(home, acme, "pm_usBankAccount_insufficientFunds")
    await home.wait(acme, operation, "running", stage="payment_under_way")
    home.stand_in.advance(5 * DAY)
    failed = await home.wait(acme, operation, "mismatched")
    assert failed["error"]["code"] == "payment_failed"
    assert "insufficient funds" in failed["error"]["message"]
    assert (failed["result"]["verified"], failed["result"]["differences"]) == (False, [])
    assert failed["result"]["unpaid"]["code"] == "payment_failed"

    async def finance_is_told() -> bool:
        notices = (await home.get(acme.finance, "/v1/notices"))["data"]
        return any(one["kind"] == "plan_change_applied" for one in notices)

    await until(finance_is_told, lambda: "Finance was not told")
    await pay(home, acme, failed["result"]["invoice"])
    await home.post(
        acme.controller,
        f"/v1/plan-changes/{operation}/resolution",
        {"action": "read_again", "comment": "It is paid by card now."},
    )
    done = await home.wait(acme, operation, "completed")
    assert (done["result"]["verified"], done["result"]["invoice_status"]) == (True, "paid")


async def test_what_waits_for_the_next_invoice_leaves_no_time_to_pay(
    home: House, acme: Tenant, told: None
) -> None:
    """Stripe leaves it out of the invoice of a pending update: it would bill less than was approved."""
    await home.shop.client.v1.invoice_items.create_async(
        {
            "customer": acme.organization.stripe_customer,
            "amount": 900,
            "currency": "usd",
            "subscription": acme.organization.stripe_subscription,
        }
    )
    home.stand_in.advance(HOUR)
    operation = await approved(home, acme, ASKS)
    ended = await home.wait(acme, operation, "declined")
    assert ended["error"]["code"] == "subscription_payment_intent_requires_action"
    assert await plan_of(home, acme) == "starter"
