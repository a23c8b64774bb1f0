"""What a plan change did to items beside the plan is taken back whole, or it is said what is otherwise."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ...support.builders import Tenant
from ...support.house import House, until
from .test_items import PATH, STORAGE, SUPPORT, fields, items, subscribed


async def unread(home: House, acme: Tenant, **wanted: Any) -> dict[str, Any]:
    """A change that was approved and applied, and whose outcome could not be read."""
    operation = await home.ask(acme, **wanted)
    await home.reviewed(acme, operation)
    home.stand_in.fault("refuse", times=1, method="GET", path="^/v1/invoices/in_[^/]+$")
    await home.decide(acme.controller, operation)
    found = await home.wait(acme, operation, "mismatched")
    assert found["error"]["code"] == "result_unread"
    return found


async def reverted(home: House, acme: Tenant, operation: str) -> dict[str, Any]:
    body = {"action": "revert", "comment": "Back, please."}
    await home.post(acme.admin, f"{PATH}/{operation}/resolution", body)
    return await home.wait(acme, operation, "cancelled")


async def test_a_revert_brings_back_the_add_ons_that_the_change_touched_and_leaves_the_others(
    home: House,
) -> None:
    acme = await subscribed(home, {SUPPORT: 2, "seminar": 3})
    before, held = await fields(home, acme), await items(home, acme)
    add_ons = [{"add_on": SUPPORT, "quantity": 0}, {"add_on": STORAGE, "quantity": 4}]
    found = await unread(home, acme, plan="scale", add_ons=add_ons)
    assert found["result"]["revert"]["to"]["others"] == found["subject"]["from"]["others"]
    done = await reverted(home, acme, found["id"])

    assert done["result"]["reverted"]["verified"] is True
    assert await items(home, acme) == held
    after, seminar = await fields(home, acme), home.shop.price["seminar", "month"]
    [kept] = [id for id, one in before.items() if one.fields["price.id"] == seminar]
    assert before[kept].changed(after[kept]) == {}


async def dressed(home: House, acme: Tenant, **coupon: Any) -> None:
    """Its support has a discount, a tax rate and metadata of its own."""
    off: Any = {"percent_off": 50, **coupon}
    given = await home.shop.client.v1.coupons.create_async(off)
    rate: Any = {"display_name": "VAT", "percentage": 19, "inclusive": False}
    tax = await home.shop.client.v1.tax_rates.create_async(rate)
    more: Any = {
        "discounts": [{"coupon": given.id}],
        "tax_rates": [tax.id],
        "metadata": {"contract": "C-7"},
        "proration_behavior": "none",
    }
    await home.shop.client.v1.subscription_items.update_async(await support(home, acme), more)


async def support(home: House, acme: Tenant) -> str:
    """The id of its item."""
    held = (await home.shop.subscription(acme))["items"].data
    return next(one.id for one in held if one.price.id == home.shop.price[SUPPORT, "month"])


async def what_it_has(home: House, acme: Tenant) -> dict[str, Any]:
    """Of its support, beside price and quantity."""
    item = await home.shop.client.v1.subscription_items.retrieve_async(
        await support(home, acme), {"expand": ["discounts"]}
    )
    said = item.to_dict()
    return {
        "coupons": [one["source"]["coupon"] for one in said["discounts"]],
        "tax_rates": [one["id"] for one in said["tax_rates"]],
        "metadata": said["metadata"],
    }


@pytest.mark.parametrize("effective", ["now", "period_end"])
async def test_an_add_on_that_was_removed_comes_back_with_all_that_it_had(
    home: House, effective: str
) -> None:
    acme = await subscribed(home, {SUPPORT: 2})
    await dressed(home, acme, duration="forever")
    had = await what_it_has(home, acme)
    add_ons = [{"add_on": SUPPORT, "quantity": 0}]
    if effective == "now":
        operation = (await unread(home, acme, plan="scale", add_ons=add_ons))["id"]
    else:
        operation = await home.ask(acme, plan="scale", add_ons=add_ons, effective=effective)
        await home.reviewed(acme, operation)
        await home.decide(acme.controller, operation)
        await home.wait(acme, operation, "running", stage="scheduled")
        home.stand_in.fault("refuse", times=1, method="GET", path="^/v1/invoices/in_[^/]+$")
        home.stand_in.advance(16 * 86_400)
        await home.skip(hours=2)
        await home.wait(acme, operation, "mismatched")
    done = await reverted(home, acme, operation)

    assert await what_it_has(home, acme) == had
    assert (done["result"]["reverted"]["verified"], done["result"]["reverted"]["differences"]) == (True, [])


async def test_a_discount_that_lasts_longer_once_it_is_brought_back_is_named(home: House) -> None:
    acme = await subscribed(home, {SUPPORT: 2})
    await dressed(home, acme, duration="repeating", duration_in_months=3)
    had = await what_it_has(home, acme)
    home.stand_in.advance(5 * 86_400)
    found = await unread(home, acme, plan="scale", add_ons=[{"add_on": SUPPORT, "quantity": 0}])
    done = await reverted(home, acme, found["id"])

    assert await what_it_has(home, acme) == had
    [difference] = done["result"]["reverted"]["differences"]
    assert (difference["name"], done["result"]["reverted"]["verified"]) == ("items.discounts", False)


@pytest.mark.parametrize("when", ["before it is shown", "once it was shown"])
async def test_a_coupon_that_nobody_can_redeem_any_more_is_left_out_and_named(home: House, when: str) -> None:
    acme = await subscribed(home, {SUPPORT: 2})
    await dressed(home, acme, duration="forever")
    had = await what_it_has(home, acme)
    [coupon] = had["coupons"]
    if when == "before it is shown":
        await home.shop.client.v1.coupons.delete_async(coupon)
    found = await unread(home, acme, plan="scale", add_ons=[{"add_on": SUPPORT, "quantity": 0}])
    if when == "once it was shown":
        assert coupon not in found["error"]["message"]
        await home.shop.client.v1.coupons.delete_async(coupon)
        body = {"action": "revert", "comment": "Back, please."}
        await home.post(acme.admin, f"{PATH}/{found['id']}/resolution", body)
        await until(asked_again(home, acme, found["id"]), lambda: "it was not asked again")
        found = await home.wait(acme, found["id"], "mismatched")
    done = await reverted(home, acme, found["id"])

    assert f"It doesn't bring back what nobody can redeem any more: {coupon}." in found["error"]["message"]
    assert await what_it_has(home, acme) == had | {"coupons": []}
    after = done["result"]["reverted"]
    assert (after["verified"], [one["name"] for one in after["differences"]]) == (False, [f"Coupon {coupon}"])


def asked_again(home: House, acme: Tenant, operation: str) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return (await home.events(acme, operation)).count("outcome_unknown") == 2

    return asked


async def test_a_revert_that_stripe_refuses_says_why(home: House) -> None:
    acme = await subscribed(home, {SUPPORT: 2})
    home.stand_in.fault("refuse", times=1_000, after=4, method="POST", path="/v1/invoices/create_preview")
    found = await unread(home, acme, plan="scale", add_ons=[{"add_on": SUPPORT, "quantity": 0}])

    refusal = found["result"]["irrevertible"]["message"]
    assert refusal.rstrip(".") in found["error"]["message"]
    assert "revert" not in found["result"]
