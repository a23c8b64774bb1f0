"""A subscription with more than its plan: the plan and add-ons change as asked for, and nothing else does."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from ...support import quotes
from ...support.builders import Tenant
from ...support.field_changes import Terms, terms
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES
from .test_amounts import give
from .test_workflow import HALF_A_MONTH

PATH = "/v1/plan-changes"
MONTH = 30 * 86_400
SUPPORT, STORAGE = "priority-support", "extra-storage"

Mode = Literal["classic", "flexible"]
Held = Mapping[str, int | None]
"""What there is beside the plan: so many of it, and None of what is metered. A `seminar` is no add-on."""


async def subscribed(home: House, held: Held, mode: Mode = "flexible", plan: str = "growth") -> Tenant:
    """Six seats of a plan and this beside it, half a month ago."""
    if (SUPPORT, "month") not in home.shop.price:
        await home.shop.stock_add_ons()
        home.shop.price["exports", "month"] = await home.shop.metered_price()
        product = await home.shop.client.v1.products.create_async({"name": "Seminar"})
        price = await home.shop.client.v1.prices.create_async(
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount": 900,
                "recurring": {"interval": "month"},
            }
        )
        home.shop.price["seminar", "month"] = price.id
    acme = await home.shop.tenant(home.database, plan, seats=6, billing_mode=mode)
    items: Any = [
        {"price": home.shop.price[name, "month"]} | ({"quantity": quantity} if quantity else {})
        for name, quantity in held.items()
    ]
    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription, {"items": items, "proration_behavior": "always_invoice"}
    )
    home.stand_in.advance(HALF_A_MONTH)
    return acme


async def items(home: House, acme: Tenant) -> dict[str, int | None]:
    """What a subscription has, by its name in the shop."""
    names = {price: name for (name, _), price in home.shop.price.items()}
    return {
        names[one.price.id]: getattr(one, "quantity", None)
        for one in (await home.shop.subscription(acme))["items"].data
    }


async def fields(home: House, acme: Tenant) -> dict[str, Terms]:
    """Every field of each item, by its id."""
    found = await terms(home.shop, acme)
    prefix = "subscription.items.data."
    grouped: dict[str, dict[str, Any]] = {}
    for name, value in found.fields.items():
        if name.startswith(prefix):
            index, _, rest = name.removeprefix(prefix).partition(".")
            grouped.setdefault(index, {})[rest] = value
    return {one["id"]: Terms(one) for one in grouped.values()}


async def carried_out(home: House, acme: Tenant, **wanted: Any) -> dict[str, Any]:
    """How an approved change has ended; at the end of the period, after the renewal."""
    operation = await home.ask(acme, **wanted)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    if wanted.get("effective") == "period_end":
        await home.wait(acme, operation, "running", stage="scheduled")
        home.stand_in.advance(16 * 86_400)
        await home.skip(hours=2)
    return await home.wait(acme, operation, "completed", "mismatched", "failed")


EVERYTHING: Held = {SUPPORT: 2, "seminar": 3, "exports": None}
WISHES: dict[str, dict[str, Any]] = {
    "the plan": {"plan": "scale"},
    "the plan and a new add-on": {"plan": "scale", "add_ons": [{"add_on": STORAGE, "quantity": 4}]},
    "more of an add-on": {"add_ons": [{"add_on": SUPPORT, "quantity": 5}]},
    "less of one and a new one": {
        "add_ons": [{"add_on": SUPPORT, "quantity": 1}, {"add_on": STORAGE, "quantity": 2}]
    },
    "without an add-on": {"plan": "starter", "add_ons": [{"add_on": SUPPORT, "quantity": 0}]},
}
WAYS: dict[str, dict[str, str]] = {
    "at once": {},
    "next invoice": {"invoicing": "next_invoice"},
    "period end": {"effective": "period_end"},
}


@pytest.mark.parametrize("mode", ["flexible", "classic"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wish", WISHES)
async def test_what_is_asked_for_changes_and_every_other_item_stays_field_by_field(
    home: House, wish: str, way: str, mode: Mode
) -> None:
    acme = await subscribed(home, EVERYTHING, mode)
    await home.shop.use(acme, 40)
    before, held = await fields(home, acme), await items(home, acme)
    wanted = {"plan": "growth"} | WISHES[wish]
    done = await carried_out(home, acme, **wanted, **WAYS[way])

    assert (done["state"], done["error"]) == ("completed", None)
    asked = {one["add_on"]: one["quantity"] for one in wanted.get("add_ons", [])}
    expected = {name: quantity for name, quantity in {**held, **asked}.items() if quantity != 0}
    expected.pop("growth")
    assert await items(home, acme) == expected | {wanted["plan"]: 6}
    ids = set(asked) | {"growth"}
    after = await fields(home, acme)
    prices = {home.shop.price[name, "month"] for name in ids}
    left = {id: one for id, one in before.items() if one.fields["price.id"] not in prices}
    assert {one.fields["price.id"] for one in left.values()} >= {
        home.shop.price["seminar", "month"],
        home.shop.price["exports", "month"],
    }
    renewed = ["current_period_*"] if way == "period end" else []
    assert {id: one.changed(after[id], *renewed) for id, one in left.items()} == {id: {} for id in left}


@pytest.mark.parametrize("mode", ["flexible", "classic"])
@pytest.mark.parametrize("way", ["at once", "period end"])
async def test_add_ons_follow_the_plan_to_another_interval(home: House, way: str, mode: Mode) -> None:
    acme = await subscribed(home, {SUPPORT: 2}, mode)
    done = await carried_out(home, acme, plan="growth", interval="year", **WAYS[way])

    assert (done["state"], done["error"]) == ("completed", None)
    prices = {one.price.id: one.quantity for one in (await home.shop.subscription(acme))["items"].data}
    assert prices == {home.shop.price["growth", "year"]: 6, home.shop.price[SUPPORT, "year"]: 2}
    subject = (await home.get(acme.auditor, f"/v1/operations/{done['id']}"))["subject"]
    assert subject["preview"]["next_invoice"]["total"] == 6 * 20_000 + 2 * 15_000


@pytest.mark.parametrize(
    ("held", "add_ons", "code", "names"),
    [
        ({"exports": None}, [], "mixed_intervals", {"Exports"}),
        ({SUPPORT: 1, "seminar": 1}, [], "mixed_intervals", {"Seminar"}),
    ],
    ids=["usage", "no add-on"],
)
async def test_an_interval_that_items_cannot_follow_is_refused_before_anybody_is_asked(
    home: House, held: Held, add_ons: list[Any], code: str, names: set[str]
) -> None:
    acme = await subscribed(home, held)
    since = home.stand_in.requests()[-1]["seq"]
    wish = {"plan": "growth", "interval": "year", "add_ons": add_ons, "reason": "We plan ahead."}
    quote = await quotes.quote(home, acme.admin, PATH, wish)
    failed = await home.wait(acme, await home.ask(acme, **wish), "failed")

    [obstacle] = quote["obstacles"]
    assert obstacle["code"] == failed["error"]["code"] == code
    assert failed["approval"] is None
    assert all(name in obstacle["message"] for name in names)
    assert home.shop.changes(since) == []


async def test_an_add_on_without_a_price_for_the_interval_is_refused_at_the_door_unless_it_is_taken_away(
    home: House,
) -> None:
    acme = await subscribed(home, {STORAGE: 3})
    await home.shop.mirrored(home.database, acme)
    wish = {"plan": "growth", "interval": "year", "reason": "We plan ahead."}
    key = {"Idempotency-Key": "refused"}
    refused = await home.post(acme.admin, PATH, wish, **key)
    assert (refused.status_code, refused.json()["code"]) == (422, "add_on_unavailable")

    done = await carried_out(home, acme, **wish | {"add_ons": [{"add_on": STORAGE, "quantity": 0}]})
    assert (done["state"], done["error"]) == ("completed", None)
    assert set(await items(home, acme)) == {"growth"}


async def test_an_item_that_somebody_changes_while_people_decide_is_asked_about_again(home: House) -> None:
    acme = await subscribed(home, {SUPPORT: 2, "seminar": 1})
    operation = await home.ask(acme, plan="scale")
    first = await home.reviewed(acme, operation)
    changed: Any = [{"price": home.shop.price[STORAGE, "month"], "quantity": 1}]
    await home.shop.client.v1.subscriptions.update_async(
        acme.organization.stripe_subscription, {"items": changed, "proration_behavior": "none"}
    )
    await home.decide(acme.controller, operation)
    second = await home.reviewed(acme, operation, round_=2)

    assert first["subject_hash"] != second["subject_hash"]
    assert {one["name"] for one in second["subject"]["to"]["others"]} == {
        "Priority support",
        "Seminar",
        "Extra storage",
    }
    since = next(one for one in second["since"]["changes"] if one["what"] == "Add-ons")
    assert "1 × Extra storage" in since["after"]


@ON_BOTH_DATABASES
async def test_usage_is_billed_on_top_of_what_was_approved(home: House) -> None:
    acme = await subscribed(home, {"exports": None})
    await home.shop.use(acme, 100)
    operation = await home.ask(acme, plan="scale", effective="period_end")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    await home.shop.use(acme, 11)
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    assert approval["subject"]["preview"]["total"] == 6 * 5000
    assert (await home.shop.invoices(acme))[0].total == 6 * 5000 + 111 * 3


async def test_the_cost_of_add_ons_is_part_of_the_quote(home: House) -> None:
    acme = await subscribed(home, {SUPPORT: 2, "seminar": 3, "exports": None})
    wish = {"plan": "growth", "add_ons": [{"add_on": SUPPORT, "quantity": 5}], "reason": "More questions."}
    quote = await quotes.quote(home, acme.admin, PATH, wish)

    cost = {name: one["amount_minor"] for name, one in quote["per_month"].items()}
    assert cost == {
        "before": 6 * 2000 + 2 * 1500 + 3 * 900,
        "after": 6 * 2000 + 5 * 1500 + 3 * 900,
        "difference": 3 * 1500,
    }
    assert [line["amount_minor"] for line in quote["credits"] + quote["debits"]] == [-1500, 3750]
    assert quote["next_invoice"]["total"]["amount_minor"] == cost["after"]


async def a_discount(home: House, acme: Tenant, item: str) -> None:
    coupon = await home.shop.client.v1.coupons.create_async({"percent_off": 50, "duration": "forever"})
    await home.shop.client.v1.subscription_items.update_async(item, {"discounts": [{"coupon": coupon.id}]})


async def one_more(home: House, acme: Tenant, item: str) -> None:
    more: Any = {"quantity": 4, "proration_behavior": "none"}
    await home.shop.client.v1.subscription_items.update_async(item, more)


@pytest.mark.parametrize(
    ("meanwhile", "name"), [(a_discount, "items.discounts"), (one_more, "items.quantity")]
)
@pytest.mark.parametrize("invoicing", ["immediately", "next_invoice"])
async def test_an_item_that_is_otherwise_afterwards_is_a_mismatch_that_names_the_field(
    home: House, meanwhile: Any, name: str, invoicing: str
) -> None:
    """Somebody is quicker in Stripe, between the change and the look at what came of it."""
    acme = await subscribed(home, {"seminar": 3})
    operation = await home.ask(
        acme, plan="growth", add_ons=[{"add_on": SUPPORT, "quantity": 1}], invoicing=invoicing
    )
    await home.reviewed(acme, operation)
    path = "^/v1/invoices/in_[^/]+$" if invoicing == "immediately" else "^/v1/invoiceitems$"
    home.stand_in.fault("lock_timeout", method="GET", path=path, times=2)
    await home.decide(acme.controller, operation)

    async def it_is_held_up() -> bool:
        return any(
            re.search(path, line["path"]) and not line["executed"] for line in home.stand_in.requests()
        )

    await until(it_is_held_up, lambda: "it is not held up")
    seminar = home.shop.price["seminar", "month"]
    [item] = [one for one in (await home.shop.subscription(acme))["items"].data if one.price.id == seminar]
    await meanwhile(home, acme, item.id)
    found = await home.wait(acme, operation, "mismatched", "completed")

    assert found["state"] == "mismatched"
    assert name in [one.get("name") for one in found["result"]["differences"]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "account",
    [
        ("tax", "coupon", "item coupon", "credit"),
        ("included tax", "coupon", "debt"),
        ("automatic tax", "item coupon"),
    ],
    ids=" and ".join,
)
async def test_several_items_are_verified_to_the_cent_whatever_is_on_the_account(
    home: House, account: tuple[str, ...], way: str
) -> None:
    acme = await subscribed(home, EVERYTHING)
    await give(home, acme, *account)
    await home.shop.use(acme, 40)
    add_ons = [{"add_on": SUPPORT, "quantity": 3}, {"add_on": STORAGE, "quantity": 1}]
    done = await carried_out(home, acme, plan="scale", add_ons=add_ons, **WAYS[way])

    assert (done["state"], done["error"]) == ("completed", None)


async def test_an_amount_off_is_spread_over_items_and_verified_to_the_cent(home: House) -> None:
    acme = await subscribed(home, {SUPPORT: 2, "seminar": 3})
    await give(home, acme, "amount off", "tax")
    for quantity, way in enumerate(WAYS.values(), start=1):
        home.stand_in.advance(60)
        add_ons = [{"add_on": STORAGE, "quantity": quantity}]
        done = await carried_out(home, acme, plan="growth", add_ons=add_ons, **way)
        assert (done["state"], done["error"]) == ("completed", None), way


@pytest.mark.parametrize("way", WAYS)
async def test_in_a_trial_add_ons_come_and_go_with_nothing_to_pay(home: House, way: str) -> None:
    acme = await subscribed(home, {SUPPORT: 2, "exports": None})
    in_a_trial: Any = {"trial_end": home.stand_in.now() + 10 * 86_400, "proration_behavior": "none"}
    await home.shop.client.v1.subscriptions.update_async(acme.organization.stripe_subscription, in_a_trial)
    add_ons = [{"add_on": SUPPORT, "quantity": 0}, {"add_on": STORAGE, "quantity": 2}]
    done = await carried_out(home, acme, plan="scale", add_ons=add_ons, **WAYS[way])

    assert (done["state"], done["error"]) == ("completed", None)
    assert await items(home, acme) == {"scale": 6, STORAGE: 2, "exports": None}
