"""What stands in the way of a plan change: said in its quote, before anybody is asked, and again before
anything is done."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ...support import quotes
from ...support.builders import Tenant
from ...support.house import House
from .test_workflow import HALF_A_MONTH

PATH = "/v1/plan-changes"
WISH = {"plan": "scale", "reason": "We grow."}
MONTH = 30 * 86_400
Obstacle = Callable[[House, Tenant], Awaitable[None]]


async def _update(home: House, acme: Tenant, **params: Any) -> None:
    wanted: Any = params
    await home.shop.client.v1.subscriptions.update_async(acme.organization.stripe_subscription, wanted)


async def _item(home: House, acme: Tenant) -> str:
    return str((await home.shop.subscription(acme))["items"].data[0].id)


async def _a_price(home: House, acme: Tenant, **terms: Any) -> str:
    """Another price of the plan that it has."""
    product = (await home.shop.subscription(acme))["items"].data[0].price.product
    given: Any = {
        "product": product,
        "currency": "usd",
        "recurring": {"interval": "month"},
        "unit_amount": 900,
    }
    made = await home.shop.client.v1.prices.create_async(
        {name: value for name, value in (given | terms).items() if value is not None}
    )
    return made.id


def at_a_price(**terms: Any) -> Obstacle:
    async def moved(home: House, acme: Tenant) -> None:
        price = await _a_price(home, acme, **terms)
        items = [{"id": await _item(home, acme), "price": price, "quantity": 6}]
        await _update(home, acme, items=items, proration_behavior="none")

    return moved


async def collection_is_paused(home: House, acme: Tenant) -> None:
    await _update(home, acme, pause_collection={"behavior": "void"})


async def it_is_set_to_end(home: House, acme: Tenant) -> None:
    await _update(home, acme, cancel_at_period_end=True)


async def it_is_paused(home: House, acme: Tenant) -> None:
    await home.shop.client.v1.subscriptions.pause_async(acme.organization.stripe_subscription)


async def an_update_is_pending(home: House, acme: Tenant) -> None:
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    await _update(
        home,
        acme,
        items=[{"id": await _item(home, acme), "quantity": 7}],
        payment_behavior="pending_if_incomplete",
        proration_behavior="always_invoice",
    )


async def the_renewal_was_declined(home: House, acme: Tenant) -> None:
    await home.shop.use_card(acme, "pm_card_chargeCustomerFail")
    home.stand_in.advance(MONTH - HALF_A_MONTH + 7_200)


async def it_is_scheduled(home: House, acme: Tenant) -> None:
    await home.shop.client.v1.subscription_schedules.create_async(
        {"from_subscription": acme.organization.stripe_subscription}
    )


async def it_has_a_second_plan(home: House, acme: Tenant) -> None:
    await _update(home, acme, items=[{"price": home.shop.price["scale", "month"]}])


async def it_has_an_item_by_the_year(home: House, acme: Tenant) -> None:
    product = await home.shop.client.v1.products.create_async({"name": "Seminar"})
    price = await _a_price(home, acme, product=product.id, recurring={"interval": "year"})
    await _update(home, acme, items=[{"price": price}])


async def its_discount_is_spread_over_usage(home: House, acme: Tenant) -> None:
    coupon = await home.shop.client.v1.coupons.create_async(
        {"amount_off": 500, "currency": "usd", "duration": "forever"}
    )
    items = [{"price": await home.shop.metered_price()}]
    await _update(home, acme, items=items, discounts=[{"coupon": coupon.id}])


QUARTERLY = {"interval": "month", "interval_count": 3}
TIERS = [{"up_to": 5, "unit_amount": 900}, {"up_to": "inf", "unit_amount": 800}]

OBSTACLES: dict[str, Obstacle] = {
    "subscription_scheduled": it_is_scheduled,
    "subscription_cancelling": it_is_set_to_end,
    "subscription_update_pending": an_update_is_pending,
    "collection_paused": collection_is_paused,
    "subscription_paused": it_is_paused,
    "subscription_past_due": the_renewal_was_declined,
    "several_plans": it_has_a_second_plan,
    "mixed_intervals": it_has_an_item_by_the_year,
    "usage_discounted": its_discount_is_spread_over_usage,
    "price_interval": at_a_price(recurring=QUARTERLY),
    "price_tiered": at_a_price(
        billing_scheme="tiered", tiers_mode="graduated", tiers=TIERS, unit_amount=None
    ),
    "price_packaged": at_a_price(transform_quantity={"divide_by": 5, "round": "up"}),
    "price_decimal": at_a_price(unit_amount=None, unit_amount_decimal="900.5"),
}


@pytest.mark.parametrize("code", OBSTACLES)
async def test_it_is_quoted_and_nobody_is_asked(home: House, code: str) -> None:
    acme = await home.shop.tenant(home.database, "growth")
    home.stand_in.advance(HALF_A_MONTH)
    await OBSTACLES[code](home, acme)
    since = home.stand_in.requests()[-1]["seq"]
    quote = await quotes.quote(home, acme.admin, PATH, WISH)
    failed = await home.wait(acme, await home.ask(acme, **WISH), "failed")

    assert [one["code"] for one in quote["obstacles"]] == [code]
    assert (quote["quote"], quote["review"]) == (None, None)
    assert failed["error"] == {name: quote["obstacles"][0][name] for name in ("code", "message")}
    assert failed["approval"] is None
    assert home.shop.changes(since) == []


@pytest.mark.parametrize("effective", ["now", "period_end"])
@pytest.mark.parametrize(
    "code",
    ["subscription_scheduled", "subscription_update_pending", "collection_paused", "several_plans"],
)
async def test_what_comes_in_the_way_while_people_decide_ends_it_with_its_code(
    home: House, code: str, effective: str
) -> None:
    acme = await home.shop.tenant(home.database, "growth")
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, **WISH, effective=effective)
    await home.reviewed(acme, operation)
    await OBSTACLES[code](home, acme)
    since = home.stand_in.requests()[-1]["seq"]
    await home.decide(acme.controller, operation)
    failed = await home.wait(acme, operation, "failed")

    assert failed["error"]["code"] == code
    assert home.shop.changes(since) == []


async def test_a_change_that_waits_for_the_end_of_the_period_ends_with_what_comes_in_its_way(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database, "growth")
    home.stand_in.advance(HALF_A_MONTH)
    operation = await home.ask(acme, **WISH, effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    async with home.told_by_stripe():
        await collection_is_paused(home, acme)
        failed = await home.wait(acme, operation, "failed")
        await home.followed()

    assert failed["error"]["code"] == "collection_paused"
    assert (await home.shop.subscription(acme)).schedule is None
    [obstacle] = (await home.get(acme.auditor, "/v1/organization"))["obstacles"]
    assert obstacle["message"] == failed["error"]["message"]


async def test_what_is_owed_is_named_with_the_way_to_pay_it(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    await the_renewal_was_declined(home, acme)
    invoice = (await home.shop.invoices(acme))[0]
    [owed] = (await quotes.quote(home, acme.admin, PATH, WISH))["obstacles"]

    assert {invoice.number, "120.00", f"/console/plans/invoices/{invoice.id}."} <= set(
        owed["message"].split()
    )


async def test_a_first_payment_that_is_missing_is_named_with_its_invoice(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    unpaid = await home.shop.client.v1.subscriptions.create_async(
        {
            "customer": acme.organization.stripe_customer,
            "items": [{"price": home.shop.price["growth", "month"]}],
            "payment_behavior": "default_incomplete",
        }
    )
    async with home.database.transaction() as session:
        organization = await session.get_one(type(acme.organization), acme.id)
        organization.stripe_subscription = unpaid.id
    [missing] = (await quotes.quote(home, acme.admin, PATH, WISH))["obstacles"]

    assert missing["code"] == "subscription_incomplete"
    assert str(unpaid.latest_invoice) in missing["message"]


async def test_a_quote_names_everything_that_stands_in_the_way(home: House) -> None:
    """Of any change, and of this one."""
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    coupon = await home.shop.client.v1.coupons.create_async({"percent_off": 10, "duration": "once"})
    in_a_trial = {"trial_end": home.stand_in.now() + 10 * 86_400, "proration_behavior": "none"}
    await _update(home, acme, **in_a_trial, discounts=[{"coupon": coupon.id}])
    await collection_is_paused(home, acme)
    await it_is_set_to_end(home, acme)
    quote = await quotes.quote(home, acme.admin, PATH, WISH | {"interval": "year"})

    assert [one["code"] for one in quote["obstacles"]] == [
        "subscription_cancelling",
        "collection_paused",
        "interval_during_trial",
        "discount_used_up",
    ]
