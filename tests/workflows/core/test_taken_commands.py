"""What the API has accepted counts, whatever becomes of the run that took it: the next one knows of it."""

import asyncio
from functools import partial

import pytest
from sqlmodel import select

from db.tables import Intent, Outbox
from workflows.core import ids

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, until
from ...support.shop import APRIL, MID_APRIL

SLOWLY = "delay"
COMMENT = "Asked by mistake."


@pytest.fixture
async def acme(home: House) -> Tenant:
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    home.stand_in.advance(MID_APRIL - APRIL)
    return acme


async def taken_and_terminated(
    home: House, acme: Tenant, operation: str, command: str, path: str, body: dict[str, str]
) -> None:
    """Sends a command; as soon as the operation's workflow has it, that is terminated, and runs again."""

    async def delivered() -> bool:
        async with home.database.reading() as session:
            rows = await session.exec(
                select(Outbox.state).where(
                    Outbox.workflow_id == ids.operation_workflow(operation), Outbox.name == command
                )
            )
            return list(rows) == ["delivered"]

    sent = asyncio.create_task(home.post(acme.admin, path, body))
    await until(delivered, lambda: f"its workflow never took {command}")
    await home.run_again(operation)
    assert (await sent).status_code in (200, 202)


async def ended_by(home: House, acme: Tenant, operation: str) -> tuple[str, str]:
    """Who has taken it back, and what they said."""
    evidence = await home.get(acme.auditor, f"/v1/operations/{operation}/evidence")
    [end] = [event for event in evidence["timeline"] if event["code"] == "cancelled"]
    return end["actor"], end["detail"]["comment"]


async def test_a_scheduled_change_that_was_taken_back_ends_by_whoever_did_so(
    home: House, acme: Tenant
) -> None:
    operation = await home.ask(acme, effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.fault(SLOWLY, times=1, method="POST", path="/release$", delay_ms=2_000)
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        path, body = f"/v1/plan-changes/{operation}/cancel", {"comment": COMMENT}
        await taken_and_terminated(home, acme, operation, "cancel", path, body)
        await home.wait(acme, operation, "cancelled")

    assert await ended_by(home, acme, operation) == (acme.admin.id, COMMENT)


async def test_what_was_given_up_is_not_said_to_be_taken_back(home: House, acme: Tenant) -> None:
    operation = await home.ask(acme, effective="period_end")
    await home.reviewed(acme, operation)
    home.stand_in.fault("refuse", method="GET", path="^/v1/subscription_schedules/", times=1)
    home.stand_in.fault(SLOWLY, times=1, method="POST", path="/release$", delay_ms=2_000)
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        await home.decide(acme.controller, operation)

        async def being_released() -> bool:
            async with home.database.reading() as session:
                found = await session.exec(
                    select(Intent.step).where(Intent.operation_id == operation, Intent.step == "release")
                )
                return list(found) == ["release"]

        await until(being_released, lambda: "its schedule was not released")
        await home.run_again(operation)
        failed = await home.wait(acme, operation, "failed", "cancelled")

    assert (failed["state"], failed["error"]["code"]) == ("failed", "schedule_released")


async def test_an_answer_is_not_asked_for_again(home: House, acme: Tenant) -> None:
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    home.stand_in.fault("refuse", times=1, method="GET", path="^/v1/invoices/in_[^/]+$")
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "mismatched")
    home.stand_in.fault(SLOWLY, times=1, method="GET", path="^/v1/subscriptions/", delay_ms=2_000)
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        path, body = f"/v1/plan-changes/{operation}/resolution", {"action": "revert", "comment": COMMENT}
        await taken_and_terminated(home, acme, operation, "resolve", path, body)
        await home.wait(acme, operation, "cancelled")


async def test_a_refund_that_was_taken_back_is_not_paid_out(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 10_000, "pm_card_refundRequiresAction")
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "running", stage="requires_action")
    home.stand_in.fault(SLOWLY, times=1, method="POST", path="/cancel$", delay_ms=2_000)
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        path, body = f"/v1/refunds/{operation}/cancel", {"comment": COMMENT}
        await taken_and_terminated(home, acme, operation, "cancel", path, body)
        await home.wait(acme, operation, "cancelled")

    assert await ended_by(home, acme, operation) == (acme.admin.id, COMMENT)
    refunds = await home.shop.client.v1.refunds.list_async({"payment_intent": payment})
    assert [refund.status for refund in refunds.data] == ["canceled"]


async def test_a_refund_that_is_to_be_tried_again_is_though_nobody_says_so_twice(
    home: House, acme: Tenant
) -> None:
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 10_000, "pm_card_refundFailAtOnce")
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "failed", stage="refund_failed")
    home.stand_in.fault(SLOWLY, times=1, method="GET", path="^/v1/", delay_ms=2_000)
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        path, body = f"/v1/refunds/{operation}/resolution", {"action": "retry", "comment": COMMENT}
        await taken_and_terminated(home, acme, operation, "resolve", path, body)

        async def tried_again() -> bool:
            return len(money.refunds(home.shop)) == 2

        await until(tried_again, lambda: "it was not tried again")
        await home.wait(acme, operation, "failed", stage="refund_failed")


async def test_one_answer_leads_to_one_try(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 10_000, "pm_card_refundFailAtOnce")
    operation = await money.refund(home, acme, payment)
    await home.wait(acme, operation, "failed", stage="refund_failed")
    path, body = f"/v1/refunds/{operation}/resolution", {"action": "retry", "comment": COMMENT}

    async def failed(times: int) -> bool:
        stands = await home.get(acme.auditor, f"/v1/operations/{operation}")
        events = await home.events(acme, operation)
        return stands["stage"] == "refund_failed" and events.count("refund_failed") == times

    home.stand_in.fault("refuse", times=1, method="GET", path="^/v1/")  # so nothing is begun by the first
    await home.post(acme.admin, path, body)
    await until(partial(failed, 2), lambda: "nobody was asked again")
    home.stand_in.fault(SLOWLY, times=1, method="POST", path="^/v1/refunds$", delay_ms=2_000)
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        sent = asyncio.create_task(home.post(acme.admin, path, body))

        async def begun() -> bool:
            async with home.database.reading() as session:
                intents = await session.exec(select(Intent.state).where(Intent.operation_id == operation))
                return "open" in list(intents)

        await until(begun, lambda: "it was not tried again")
        await home.run_again(operation)
        await sent
        await until(partial(failed, 3), lambda: "nobody was asked a third time")

    assert len(money.refunds(home.shop)) == 2
