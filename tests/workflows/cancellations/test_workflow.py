"""Cancellations from the request to the end of the plan, through the API."""

from typing import Any

import pytest

from billing.money.notes import with_objects
from billing.plan_changes.proration import Line

from ...support import money
from ...support.builders import Tenant
from ...support.cancellations import NOTE, approved, body, cancel, planned
from ...support.house import House
from ...support.quotes import quote
from ..conftest import ON_BOTH_DATABASES

HALF_A_MONTH = 15 * 86_400


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database, "growth", seats=6)


def ended(home: House, tenant: Tenant) -> int:
    """How often Stripe has carried out the end of the subscription."""
    path = f"/v1/subscriptions/{tenant.organization.stripe_subscription}"
    return sum(one["method"] == "DELETE" for one in money.made(home.shop, path))


async def charge(home: House, tenant: Tenant, amount: int, subscription: str | None) -> None:
    """Something that waits for the next invoice."""
    params: Any = {
        "customer": tenant.organization.stripe_customer,
        "amount": amount,
        "currency": "usd",
        "description": "Onboarding",
    }
    more = {"subscription": subscription} if subscription is not None else {}
    await home.shop.client.v1.invoice_items.create_async(params | more)


async def end_in_stripe(home: House, tenant: Tenant) -> None:
    await home.shop.client.v1.subscriptions.cancel_async(tenant.organization.stripe_subscription)


@ON_BOTH_DATABASES
async def test_a_plan_is_set_to_end_and_the_operation_says_when_it_has(home: House, acme: Tenant) -> None:
    operation = await cancel(home, acme, "at_period_end")
    approval = await approved(home, acme, operation)
    waiting = await home.wait(acme, operation, "running", stage="ending")
    found = await home.shop.subscription(acme)
    assert (found.cancel_at_period_end, found.cancel_at) == (True, approval["subject"]["ends_at"])
    assert found.cancellation_details is not None
    assert (found.cancellation_details.feedback, found.cancellation_details.comment) == (
        "switched_service",
        NOTE,
    )
    assert found.metadata["plixo_note"] == with_objects(NOTE, [found.id])
    assert (waiting["result"]["verified"], waiting["allowed_actions"]) == (True, [])
    assert approval["subject"]["amount"] == {"amount_minor": 0, "currency": "usd"}

    home.stand_in.advance(31 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")
    assert (done["state"], done["result"]["status"]) == ("completed", "canceled")
    assert done["result"]["ended_at"] >= approval["subject"]["ends_at"]
    assert done["result"]["invoice"] is None
    cases = await home.get(acme.controller, "/v1/cases")
    assert cases["data"] == []


async def test_what_waits_is_billed_at_the_end_and_verified(home: House, acme: Tenant) -> None:
    await charge(home, acme, 2_500, acme.organization.stripe_subscription)
    operation = await cancel(home, acme, "at_period_end")
    approval = await approved(home, acme, operation)
    await home.wait(acme, operation, "running", stage="ending")
    home.stand_in.advance(31 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched")
    assert [one["amount_minor"] for one in approval["subject"]["bill"]["lines"]] == [2_500]
    assert (done["state"], done["result"]["amounts"]["total"]) == ("completed", 2_500)
    assert done["result"]["invoice_status"] == "paid"


async def test_another_last_invoice_than_was_approved_waits_for_a_person(home: House, acme: Tenant) -> None:
    operation = await planned(home, acme)
    await charge(home, acme, 999, acme.organization.stripe_subscription)
    home.stand_in.advance(31 * 86_400)
    await home.skip(hours=2)
    found = await home.wait(acme, operation, "mismatched")
    assert found["error"]["code"] == "cancellation_differs"
    assert "9.99" in found["error"]["message"]
    answer = await home.post(
        acme.controller,
        f"/v1/cancellations/{operation}/resolution",
        {"action": "accept", "comment": "The last hour of support, as agreed."},
    )
    assert answer.status_code in (200, 202), answer.text
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["accepted_by"] == acme.controller.id


@ON_BOTH_DATABASES
@pytest.mark.parametrize("mode", ["classic", "flexible"])
async def test_a_plan_ends_now_and_its_unused_time_is_credited_to_the_cent(home: House, mode: Any) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6, billing_mode=mode)
    home.stand_in.advance(HALF_A_MONTH)
    operation = await cancel(home, acme, "now")
    approval = await approved(home, acme, operation)
    done = await home.wait(acme, operation, "completed", "mismatched")
    assert done["state"] == "completed", done["error"]
    assert ended(home, acme) == 1
    found = await home.shop.subscription(acme)
    assert found.status == "canceled"
    [line] = done["result"]["lines"]
    [shown] = approval["subject"]["bill"]["lines"]
    assert shown["amount_minor"] <= line["amount_minor"] < 0
    customer = await home.shop.client.v1.customers.retrieve_async(acme.organization.stripe_customer)
    assert customer.balance == done["result"]["amounts"]["total"] == line["amount_minor"]
    assert approval["subject"]["amount"]["amount_minor"] == -Line.model_validate(shown).amount_minor
    cases = await home.get(acme.controller, "/v1/cases")
    assert cases["data"] == []


async def test_unused_time_that_is_given_up_counts_and_is_not_credited(home: House, acme: Tenant) -> None:
    home.stand_in.advance(HALF_A_MONTH)
    await charge(home, acme, 1_000, acme.organization.stripe_subscription)
    operation = await cancel(home, acme, "now", unused_time="forfeit")
    approval = await approved(home, acme, operation)
    done = await home.wait(acme, operation, "completed", "mismatched")
    assert done["state"] == "completed", done["error"]
    assert approval["subject"]["amount"]["amount_minor"] > 0
    assert [one["amount_minor"] for one in done["result"]["lines"]] == [1_000]


async def test_hours_between_approval_and_request_take_off_the_credit_alone(
    home: House, acme: Tenant
) -> None:
    """What was approved is the credit by the second: less of it is no other request."""
    operation = await cancel(home, acme, "now")
    approval = await home.reviewed(acme, operation)
    home.stand_in.advance(3 * 86_400)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed", "mismatched")
    assert done["state"] == "completed", done["error"]
    shown = approval["subject"]["amount"]["amount_minor"]
    assert 0 < -done["result"]["amounts"]["total"] < shown


async def test_a_charge_that_comes_after_the_approval_is_asked_of_again(home: House, acme: Tenant) -> None:
    operation = await cancel(home, acme, "now")
    await home.reviewed(acme, operation)
    await charge(home, acme, 700, acme.organization.stripe_subscription)
    await home.decide(acme.controller, operation)
    again = await home.reviewed(acme, operation, round_=2)
    assert 700 in [one["amount_minor"] for one in again["subject"]["bill"]["lines"]]
    assert ended(home, acme) == 0


@pytest.mark.parametrize("unused_time", ["credit", "forfeit"])
async def test_a_coupon_that_is_removed_after_the_approval_is_asked_of_again(
    home: House, acme: Tenant, unused_time: str
) -> None:
    """The lines stay as they are: it is what they come to that nobody has approved."""
    v1, subscription = home.shop.client.v1, acme.organization.stripe_subscription
    coupon = await v1.coupons.create_async({"amount_off": 2_000, "currency": "usd", "duration": "forever"})
    await v1.subscriptions.update_async(subscription, {"discounts": [{"coupon": coupon.id}]})
    home.stand_in.advance(HALF_A_MONTH)
    await charge(home, acme, 2_500, subscription)
    operation = await cancel(home, acme, "now", unused_time=unused_time)
    first = await home.reviewed(acme, operation)
    await v1.subscriptions.update_async(subscription, {"discounts": ""})
    await home.decide(acme.controller, operation)
    again = await home.reviewed(acme, operation, round_=2)
    totals = [one["subject"]["bill"]["amounts"]["total"] for one in (first, again)]
    assert totals[1] > totals[0]
    assert ended(home, acme) == 0


@ON_BOTH_DATABASES
async def test_a_planned_end_is_taken_back_and_the_one_that_waited_says_so(home: House, acme: Tenant) -> None:
    waiting = await planned(home, acme)
    back = await cancel(home, acme, "take_back")
    approval = await approved(home, acme, back)
    done = await home.wait(acme, back, "completed", "mismatched")
    assert done["state"] == "completed", done["error"]
    found = await home.shop.subscription(acme)
    assert (found.cancel_at, found.cancel_at_period_end) == (None, False)
    assert approval["subject"]["bill"]["amounts"]["total"] == 6 * 2_000
    await home.catch_up()
    over = await home.wait(acme, waiting, "cancelled")
    assert over["error"]["code"] == "cancellation_taken_back"
    assert back in over["error"]["message"]


async def test_an_end_that_is_taken_back_in_stripe_is_told(home: House, acme: Tenant) -> None:
    waiting = await planned(home, acme)
    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription, {"cancel_at_period_end": False}
    )
    await home.skip(hours=31 * 24)
    over = await home.wait(acme, waiting, "cancelled")
    assert over["error"]["code"] == "cancellation_taken_back"
    assert "Stripe itself" in over["error"]["message"]


async def test_an_end_that_is_moved_in_stripe_is_told(home: House, acme: Tenant) -> None:
    waiting = await planned(home, acme)
    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription, {"cancel_at": home.stand_in.now() + 90 * 86_400}
    )
    await home.skip(hours=31 * 24)
    over = await home.wait(acme, waiting, "failed")
    assert over["error"]["code"] == "cancellation_moved"


async def test_somebody_who_ends_a_planned_one_sooner_in_stripe_has_a_case(home: House, acme: Tenant) -> None:
    """Ours is the end that was planned, and no other."""
    waiting = await planned(home, acme)
    await end_in_stripe(home, acme)
    await home.catch_up()
    over = await home.wait(acme, waiting, "mismatched")
    assert over["error"]["code"] == "cancellation_differs"
    [case] = (await home.get(acme.controller, "/v1/cases"))["data"]
    assert case["id"] != waiting


@pytest.mark.parametrize(
    ("action", "code"),
    [("take_back", "not_cancelling"), ("now", "charges_unattached"), ("at_period_end", "charges_unattached")],
)
async def test_what_cannot_be_done_is_said_before_anybody_is_asked(
    home: House, acme: Tenant, action: str, code: str
) -> None:
    await charge(home, acme, 500, None)
    operation = await cancel(home, acme, action)
    blocked = await home.wait(acme, operation, "blocked")
    assert (blocked["error"]["code"], blocked["approval"]) == (code, None)
    quoted = await quote(home, acme.admin, "/v1/cancellations", body(action))
    assert [one["code"] for one in quoted["obstacles"]] == [code]


async def test_a_plan_that_is_set_to_end_is_not_set_to_end_again(home: House, acme: Tenant) -> None:
    await planned(home, acme)
    blocked = await home.wait(acme, await cancel(home, acme, "at_period_end"), "blocked")
    assert blocked["error"]["code"] == "already_cancelling"


async def test_a_schedule_of_others_stands_in_the_way(home: House, acme: Tenant) -> None:
    await home.shop.client.v1.subscription_schedules.create_async(
        {"from_subscription": acme.organization.stripe_subscription}
    )
    for action in ("at_period_end", "now"):
        blocked = await home.wait(acme, await cancel(home, acme, action), "blocked")
        assert blocked["error"]["code"] == "subscription_scheduled"


async def test_prorations_that_wait_are_not_dropped_by_a_credit(home: House, acme: Tenant) -> None:
    home.stand_in.advance(HALF_A_MONTH)
    change = await home.ask(acme, plan="growth", seats=8, invoicing="next_invoice")
    await home.reviewed(acme, change)
    await home.decide(acme.controller, change)
    await home.wait(acme, change, "completed")
    blocked = await home.wait(acme, await cancel(home, acme, "now"), "blocked")
    assert blocked["error"]["code"] == "prorations_wait"


async def test_one_change_of_the_subscription_goes_on_at_a_time(home: House, acme: Tenant) -> None:
    operation = await cancel(home, acme, "at_period_end")
    key = {"Idempotency-Key": "beside"}
    change = {"plan": "growth", "seats": 8, "reason": "More people."}
    refused = await home.post(acme.admin, "/v1/plan-changes", change, **key)
    assert (refused.status_code, refused.json()["code"]) == (409, "cancellation_open")
    second = await home.post(acme.admin, "/v1/cancellations", body("now"), **key)
    assert (second.status_code, second.json()["code"]) == (409, "cancellation_open")
    quoted = await quote(home, acme.admin, "/v1/cancellations", body("now"))
    assert [one["code"] for one in quoted["obstacles"]] == ["cancellation_open"]
    await approved(home, acme, operation)
    await home.wait(acme, operation, "running", stage="ending")
    failed = await home.wait(acme, await home.ask(acme, plan="growth", seats=8), "failed")
    assert failed["error"]["code"] == "subscription_cancelling"


async def test_a_subscription_that_ends_meanwhile_ends_the_request(home: House, acme: Tenant) -> None:
    operation = await cancel(home, acme, "at_period_end")
    await home.reviewed(acme, operation)
    await end_in_stripe(home, acme)
    await home.catch_up()
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "subscription_ended"


async def test_a_quote_is_what_is_then_asked_for(home: House, acme: Tenant) -> None:
    home.stand_in.advance(HALF_A_MONTH)
    quoted = await quote(home, acme.admin, "/v1/cancellations", body("now"))
    assert quoted["obstacles"] == []
    assert quoted["left_over"]["amount_minor"] == quoted["amount"]["amount_minor"] > 0
    operation = await cancel(home, acme, "now", quote=quoted["quote"])
    approval = await home.reviewed(acme, operation)
    assert approval["subject_hash"] is not None
    await home.post(acme.admin, f"/v1/cancellations/{operation}/cancel", {})
    await home.wait(acme, operation, "cancelled")
    assert ended(home, acme) == 0
