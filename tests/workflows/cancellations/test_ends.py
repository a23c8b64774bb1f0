"""How a planned end comes, and how one that can't come is told."""

from typing import Any

import pytest

from ...support.builders import Tenant
from ...support.cancellations import approved, body, cancel, planned
from ...support.house import House
from ..conftest import ON_BOTH_DATABASES

HALF_A_MONTH = 15 * 86_400
MONTH = 31 * 86_400


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database, "growth", seats=6)


async def add_usage(home: House, acme: Tenant) -> None:
    """Something that is billed by what is used of it, and used already."""
    price = await home.shop.metered_price()
    await home.shop.client.v1.subscription_items.create_async(
        {"subscription": acme.organization.stripe_subscription, "price": price}
    )
    await home.shop.use(acme, 10)


@ON_BOTH_DATABASES
async def test_a_planned_end_that_our_own_end_now_comes_before_says_which(home: House, acme: Tenant) -> None:
    waiting = await planned(home, acme)
    sooner = await cancel(home, acme, "now")
    await approved(home, acme, sooner)
    done = await home.wait(acme, sooner, "completed", "mismatched")
    assert done["state"] == "completed", done["error"]
    await home.catch_up()
    over = await home.wait(acme, waiting, "cancelled", "mismatched")
    assert (over["state"], over["error"]["code"]) == ("cancelled", "cancellation_overtaken")
    assert sooner in over["error"]["message"]
    assert "plan_ended_sooner" in await home.events(acme, waiting)
    assert (await home.get(acme.controller, "/v1/cases"))["data"] == []


@pytest.mark.parametrize("named", ["op_00000000000000000000000000", "the planned end", "another's end"])
async def test_a_comment_that_names_an_operation_does_not_make_an_end_in_stripe_ours(
    home: House, acme: Tenant, named: str
) -> None:
    waiting = await planned(home, acme)
    if named == "the planned end":
        named = waiting
    elif named == "another's end":
        other = await home.shop.tenant(home.database, "growth", seats=6)
        named = await cancel(home, other, "now")
        await approved(home, other, named)
        await home.wait(other, named, "completed")
    details: Any = {"cancellation_details": {"comment": f"Goodbye. ({named})"}}
    await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription, details)
    await home.catch_up()
    over = await home.wait(acme, waiting, "cancelled", "mismatched")

    assert over["state"] == "mismatched"


@pytest.mark.parametrize("action", ["now", "at_period_end"])
async def test_what_is_used_between_approval_and_end_is_billed_on_top(
    home: House, acme: Tenant, action: str
) -> None:
    """Nobody can approve what is used until then."""
    await add_usage(home, acme)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await cancel(home, acme, action)
    approval = await home.reviewed(acme, operation)
    lines = (approval["subject"]["bill"] or {"lines": []})["lines"]
    assert [one["amount_minor"] for one in lines] == ([-6_000] if action == "now" else [])
    await home.shop.use(acme, 100)
    await home.decide(acme.controller, operation)
    if action == "at_period_end":
        await home.wait(acme, operation, "running", stage="ending")
        await home.shop.use(acme, 1_000)
        home.stand_in.advance(MONTH)
        await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")
    assert done["state"] == "completed", done["error"]


async def test_a_last_invoice_that_cannot_be_read_is_not_told_by_what_was_planned(
    home: House, acme: Tenant
) -> None:
    operation = await planned(home, acme)
    home.stand_in.fault("refuse", status=400, times=1, after=1, method="GET", path="/v1/subscriptions/")
    home.stand_in.advance(MONTH)
    await home.skip(hours=2)
    found = await home.wait(acme, operation, "mismatched")
    assert (found["result"]["status"], found["result"]["verified"]) == ("unknown", False)


async def test_a_revision_of_what_has_ended_meanwhile_is_not_sent_back_once_more(
    home: House, acme: Tenant
) -> None:
    operation = await cancel(home, acme, "at_period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "request_changes", "When, exactly?")
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    await home.shop.client.v1.subscriptions.cancel_async(acme.organization.stripe_subscription)
    more: dict[str, Any] = body("at_period_end", note="At the end of the month, as agreed with the board.")
    answer = await home.post(acme.admin, f"/v1/cancellations/{operation}/revision", more)
    assert answer.status_code == 200, answer.text
    over = await home.wait(acme, operation, "blocked")
    assert over["error"]["code"] == "subscription_ended"
