"""Nothing is called failed that isn't: what goes wrong after Stripe was asked to change is a person's to say.

And a change that waits for the end of the period ends with its subscription.
"""

from typing import Any

import pytest

from ...support.builders import Tenant
from ...support.house import House, until
from ...support.shop import APRIL, MID_APRIL

HALF_A_MONTH = MID_APRIL - APRIL
INVOICES = {"method": "GET", "path": "^/v1/invoices/in_[^/]+$"}
REFUSED = "refuse"
"""A definite refusal, of a read as well."""


@pytest.fixture
async def acme(home: House) -> Tenant:
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    return acme


async def unread(home: House, acme: Tenant) -> dict[str, Any]:
    """A change that was charged, and whose result Stripe then refuses to show."""
    operation = await home.ask(acme)
    await home.reviewed(acme, operation)
    home.stand_in.fault(REFUSED, times=1, **INVOICES)
    await home.decide(acme.controller, operation)
    return await home.wait(acme, operation, "mismatched")


async def resolve(home: House, acme: Tenant, operation: str, action: str) -> None:
    body = {"action": action, "comment": "Looked in Stripe."}
    answer = await home.post(acme.controller, f"/v1/plan-changes/{operation}/resolution", body)
    if answer.status_code == 403:
        answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/resolution", body)
    assert answer.status_code == 200, answer.text


async def test_a_change_whose_result_cannot_be_read_waits_for_a_person_and_can_be_read_again(
    home: House, acme: Tenant
) -> None:
    found = await unread(home, acme)

    async def told() -> bool:
        notices = (await home.get(acme.finance, "/v1/notices"))["data"]
        return sorted(one["kind"] for one in notices) == ["plan_change_applied", "plan_change_requested"]

    await until(told, lambda: "Finance was not told that it is in doubt")
    shown = await home.get(acme.admin, f"/v1/operations/{found['id']}")
    await resolve(home, acme, found["id"], "read_again")
    done = await home.wait(acme, found["id"], "completed")

    assert found["error"]["code"] == "result_unread"
    assert "revert" in shown["allowed_actions"]
    assert done["result"]["verified"] is True

    async def told_again() -> bool:
        notices = (await home.get(acme.finance, "/v1/notices"))["data"]
        return [one["kind"] for one in notices].count("plan_change_applied") == 2

    await until(told_again, lambda: "Finance was never told the final figures")


async def test_a_former_plan_that_cannot_be_restored_leaves_the_question_open(
    home: House, acme: Tenant
) -> None:
    found = await unread(home, acme)
    path = f"/v1/subscriptions/{acme.organization.stripe_subscription}$"
    home.stand_in.fault(REFUSED, method="POST", path=path, times=1)
    await resolve(home, acme, found["id"], "revert")

    async def asked_again() -> bool:
        now = await home.get(acme.auditor, f"/v1/operations/{found['id']}")
        return bool(now["state"] == "mismatched" and now["error"]["code"] == "result_unread")

    async def refused() -> bool:
        return "refused_by_stripe" in await home.events(acme, found["id"])

    await until(refused, lambda: "the revert was not refused")
    await until(asked_again, lambda: "nobody was asked again")
    await resolve(home, acme, found["id"], "revert")
    await home.wait(acme, found["id"], "cancelled")
    item = (await home.shop.subscription(acme))["items"].data[0]
    assert item.price.id == home.shop.price["starter", "month"]


async def test_a_schedule_that_cannot_be_read_back_is_released(home: House, acme: Tenant) -> None:
    operation = await home.ask(acme, effective="period_end")
    await home.reviewed(acme, operation)
    home.stand_in.fault(REFUSED, method="GET", path="^/v1/subscription_schedules/", times=1)
    await home.decide(acme.controller, operation)
    failed = await home.wait(acme, operation, "failed")

    assert failed["allowed_actions"] == []
    assert (await home.shop.subscription(acme)).schedule is None
    assert (await home.http.get("/v1/operations", headers=acme.admin.headers)).status_code == 200
    await home.reviewed(acme, await home.ask(acme))


@pytest.mark.parametrize("told", [True, False])
async def test_a_wait_ends_with_its_object(home: House, acme: Tenant, told: bool) -> None:
    async with home.told_by_stripe():
        operation = await home.ask(acme, effective="period_end")
        await home.reviewed(acme, operation)
        await home.decide(acme.controller, operation)
        await home.wait(acme, operation, "running", stage="scheduled")
        if told:
            await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)
            await home.followed()
    if not told:
        await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)
        await home.skip(hours=2)
    failed = await home.wait(acme, operation, "failed")
    assert failed["error"]["code"] == "subscription_ended"


@pytest.mark.parametrize("read", ["subscription", "invoices", "schedule"])
async def test_a_renewal_that_cannot_be_read_waits_for_a_person_and_can_be_read_again(
    home: House, acme: Tenant, read: str
) -> None:
    subscription = acme.organization.stripe_subscription
    path = {
        "subscription": f"^/v1/subscriptions/{subscription}$",
        "invoices": INVOICES["path"],
        "schedule": "^/v1/subscription_schedules/",
    }[read]
    operation = await home.ask(acme, effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    scheduled = await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.fault(REFUSED, method="GET", path=path, times=2)
    home.stand_in.advance(scheduled["subject"]["period_end"] + 7200 - MID_APRIL)
    await home.skip(days=32)
    found = await home.wait(acme, operation, "mismatched")
    home.stand_in.clear_faults()
    shown = await home.get(acme.admin, f"/v1/operations/{operation}")
    await resolve(home, acme, operation, "read_again")
    done = await home.wait(acme, operation, "completed")

    assert found["error"]["code"] == "result_unread"
    assert "revert" in shown["allowed_actions"]
    assert done["result"]["verified"] is True
    assert (await home.shop.subscription(acme)).schedule is None
