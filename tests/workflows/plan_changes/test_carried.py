"""A plan change changes what was approved and nothing else: whatever is on the subscription stays there."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from ...support.builders import Tenant
from ...support.field_changes import terms
from ...support.house import House, until
from .test_workflow import HALF_A_MONTH

Kind = Callable[[House, Tenant], Awaitable[None]]

MARKS = "subscription.metadata.plixo_*"
PRICED = [
    "subscription.items.data.0.price.*",
    "subscription.items.data.0.plan.*",
    "subscription.items.data.0.quantity",
    MARKS,
]
BILLED = ["subscription.latest_invoice", "customer.balance", "customer.next_invoice_sequence"]
RENEWED = [
    "subscription.items.data.0.current_period_*",
    "subscription.next_pending_invoice_item_invoice",
]


async def update(home: House, acme: Tenant, **params: Any) -> None:
    prorated = {"proration_behavior": "none"} if params.keys() & {"items", "trial_end"} else {}
    wanted: Any = {**prorated, **params}
    await home.shop.client.v1.subscriptions.update_async(acme.organization.stripe_subscription, wanted)


async def a_coupon(home: House, **terms: Any) -> str:
    made: Any = {"percent_off": 10, "duration": "forever", **terms}
    return (await home.shop.client.v1.coupons.create_async(made)).id


async def _rate(home: House, percentage: float) -> str:
    rate = await home.shop.client.v1.tax_rates.create_async(
        {"display_name": "VAT", "percentage": percentage, "inclusive": False}
    )
    return rate.id


async def _items(home: House, acme: Tenant, **terms: Any) -> list[dict[str, Any]]:
    return [{"id": (await home.shop.subscription(acme))["items"].data[0].id, **terms}]


async def of_its_own(home: House, acme: Tenant) -> None:
    """With a discount, a tax rate, a note and another card of its own."""
    method = await home.shop.client.v1.payment_methods.attach_async(
        "pm_card_mastercard", {"customer": acme.organization.stripe_customer}
    )
    await update(
        home,
        acme,
        discounts=[{"coupon": await a_coupon(home, duration="repeating", duration_in_months=12)}],
        default_tax_rates=[await _rate(home, 20)],
        default_payment_method=method.id,
        description="The plan of all of Acme.",
        metadata={"cost_center": "4711"},
    )


async def on_its_item(home: House, acme: Tenant) -> None:
    """With a discount, tax rates and a note on its item."""
    discounts = [{"coupon": await a_coupon(home, amount_off=500, currency="usd", percent_off=None)}]
    rates = [await _rate(home, 5), await _rate(home, 2.5)]
    item = {"discounts": discounts, "tax_rates": rates, "metadata": {"team": "billing"}}
    await update(home, acme, items=await _items(home, acme, **item))


async def of_its_customer(home: House, acme: Tenant) -> None:
    """With its customer's discount, and automatic tax."""
    customer = acme.organization.stripe_customer
    await home.shop.client.v1.customers.update_async(
        customer, {"address": {"country": "DE", "postal_code": "10115"}}
    )
    given = {"customer": customer, "coupon": await a_coupon(home, percent_off=25)}
    await asyncio.to_thread(home.stand_in.control, "discounts", given)
    await update(home, acme, automatic_tax={"enabled": True})


async def in_a_trial(home: House, acme: Tenant) -> None:
    """With a discount of which a month is left after it."""
    await update(
        home,
        acme,
        trial_end=home.stand_in.now() + 10 * 86_400,
        discounts=[{"coupon": await a_coupon(home, duration="repeating", duration_in_months=2)}],
    )


async def sent_to_it(home: House, acme: Tenant) -> None:
    """By invoices that are sent."""
    await update(
        home,
        acme,
        collection_method="send_invoice",
        days_until_due=14,
        default_tax_rates=[await _rate(home, 19)],
        metadata={"po": "2026-17"},
    )


KINDS: tuple[Kind, ...] = (of_its_own, on_its_item, of_its_customer, in_a_trial, sent_to_it)
NOW = [(kind, invoicing) for kind in KINDS for invoicing in ("immediately", "next_invoice")]
AHEAD = [
    (kind, wish) for kind in KINDS for wish in ({"plan": "starter"}, {"plan": "growth", "interval": "year"})
]


def by_name(value: Any) -> str:
    return (
        value.__name__ if callable(value) else "-".join(value.values()) if isinstance(value, dict) else value
    )


async def subscribed(home: House, kind: Kind) -> Tenant:
    """Half a month ago."""
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    await kind(home, acme)
    return acme


@pytest.mark.parametrize(("kind", "invoicing"), NOW, ids=by_name)
async def test_a_change_now_leaves_everything_else_as_it_was(home: House, kind: Kind, invoicing: str) -> None:
    acme = await subscribed(home, kind)
    before = await terms(home.shop, acme)
    operation = await home.ask(acme, plan="scale", seats=8, invoicing=invoicing)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")
    after = await terms(home.shop, acme)

    assert (done["state"], done["error"]) == ("completed", None)
    assert before.changed(after, *PRICED, *(BILLED if invoicing == "immediately" else [])) == {}
    assert after.fields["subscription.items.data.0.price.id"] == home.shop.price["scale", "month"]


@pytest.mark.parametrize(("kind", "wish"), AHEAD, ids=by_name)
async def test_a_change_at_the_end_of_the_period_leaves_everything_else_as_it_was(
    home: House, kind: Kind, wish: dict[str, str]
) -> None:
    acme = await subscribed(home, kind)
    before = await terms(home.shop, acme)
    operation = await home.ask(acme, **wish, effective="period_end")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    scheduled = await terms(home.shop, acme)
    assert before.changed(scheduled, "subscription.schedule") == {}

    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")
    after = await terms(home.shop, acme)

    assert (done["state"], done["error"]) == ("completed", None)
    ended = ["subscription.status"] if kind is in_a_trial else []
    anchor = ["subscription.billing_cycle_anchor"] if "interval" in wish else []
    assert before.changed(after, *PRICED, *BILLED, *RENEWED, *ended, *anchor) == {}
    assert (await home.shop.invoices(acme))[0].total == approval["subject"]["preview"]["total"]


@pytest.mark.parametrize("mode", ["classic", "flexible"])
@pytest.mark.parametrize(
    "switched",
    [{"phase_interval": "kept"}, {"phase_interval": "reset"}, {"started_phase": "closed"}],
    ids=lambda switched: "-".join(*switched.items()),
)
async def test_a_new_interval_keeps_all_of_it_whatever_stripe_does_where_its_pages_are_silent(
    home: House, mode: Literal["classic", "flexible"], switched: dict[str, str]
) -> None:
    await asyncio.to_thread(home.stand_in.control, "switches", switched)
    acme = await home.shop.tenant(home.database, "growth", seats=6, billing_mode=mode)
    home.stand_in.advance(HALF_A_MONTH)
    await of_its_own(home, acme)
    await on_its_item(home, acme)
    before = await terms(home.shop, acme)
    operation = await home.ask(acme, interval="year", effective="period_end")
    approval = await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    anchor = "subscription.billing_cycle_anchor"
    assert before.changed(await terms(home.shop, acme), *PRICED, *BILLED, *RENEWED, anchor) == {}
    assert (await home.shop.invoices(acme))[0].total == approval["subject"]["preview"]["total"]


async def test_a_discount_that_is_over_by_the_end_of_the_period_is_over_then(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    await update(
        home,
        acme,
        discounts=[{"coupon": await a_coupon(home, duration="repeating", duration_in_months=1)}],
    )
    home.stand_in.advance(24 * 86_400)  # the tenth of May: it runs until the sixteenth
    operation = await home.ask(acme, plan="starter", effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    assert (await home.shop.subscription(acme)).discounts, "until then it is there"
    async with home.told_by_stripe():
        home.stand_in.advance(23 * 86_400)
        await home.followed()
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    assert (await home.shop.invoices(acme))[0].total == 6 * 1000


async def on_the_subscription(home: House, acme: Tenant, coupon: str) -> None:
    await update(home, acme, discounts=[{"coupon": coupon}])


async def on_the_item(home: House, acme: Tenant, coupon: str) -> None:
    await update(home, acme, items=await _items(home, acme, discounts=[{"coupon": coupon}]))


async def on_the_customer(home: House, acme: Tenant, coupon: str) -> None:
    given = {"customer": acme.organization.stripe_customer, "coupon": coupon}
    await asyncio.to_thread(home.stand_in.control, "discounts", given)


@pytest.mark.parametrize("put", [on_the_subscription, on_the_item, on_the_customer])
async def test_a_discount_for_one_invoice_is_not_used_up_by_a_change_and_comes_with_the_renewal(
    home: House, put: Callable[[House, Tenant, str], Awaitable[None]]
) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    home.stand_in.advance(HALF_A_MONTH)
    coupon = await a_coupon(home, duration="once", percent_off=50)
    await put(home, acme, coupon)
    before = await terms(home.shop, acme)
    refused = await home.wait(acme, await home.ask(acme, plan="scale"), "failed")
    assert refused["error"]["code"] == "discount_used_up"
    assert coupon in refused["error"]["message"]
    operation = await home.ask(acme, plan="scale", invoicing="next_invoice")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")

    assert before.changed(await terms(home.shop, acme), *PRICED) == {}
    home.stand_in.advance(16 * 86_400)
    [line] = [one for one in (await home.shop.invoices(acme))[0].lines.data if not _is_proration(one)]
    assert sum(one.amount for one in line.discount_amounts or []) == 6 * 5000 // 2


def _is_proration(line: Any) -> bool:
    details = line.parent.subscription_item_details or line.parent.invoice_item_details
    return bool(details.proration)


async def an_item_waits(home: House, acme: Tenant) -> None:
    await home.shop.client.v1.invoice_items.create_async(
        {
            "customer": acme.organization.stripe_customer,
            "subscription": acme.organization.stripe_subscription,
            "amount": 700,
            "currency": "usd",
        }
    )


async def a_seat_more(home: House, acme: Tenant) -> None:
    await update(home, acme, items=await _items(home, acme, quantity=7))


@pytest.mark.parametrize(
    ("meanwhile", "held_up", "names"),
    [
        (an_item_waits, "POST ^/v1/subscription_schedules$", {"lines", "total", "next_invoice"}),
        (a_seat_more, "POST ^/v1/subscription_schedules$", {"quantity"}),
        (a_seat_more, "GET ^/v1/subscription_schedules/", {"phases"}),
    ],
    ids=["billed otherwise", "otherwise before", "otherwise planned"],
)
async def test_a_schedule_that_would_do_anything_else_is_released_and_says_what(
    home: House, meanwhile: Kind, held_up: str, names: set[str]
) -> None:
    """Somebody is quicker in Stripe, between the last look and the schedule, or its phases."""
    acme = await subscribed(home, of_its_own)
    operation = await home.ask(acme, plan="starter", effective="period_end")
    await home.reviewed(acme, operation)
    method, _, path = held_up.partition(" ")
    home.stand_in.fault("lock_timeout", method=method, path=path, times=3)
    await home.decide(acme.controller, operation)

    async def it_is_held_up() -> bool:
        return any(
            line["method"] == method and re.search(path, line["path"]) and not line["executed"]
            for line in home.stand_in.requests()
        )

    await until(it_is_held_up, lambda: "it is not held up")
    await meanwhile(home, acme)
    changed = await terms(home.shop, acme)
    failed = await home.wait(acme, operation, "failed")

    assert failed["error"]["code"] == "schedule_mismatched"
    told = failed["error"]["message"].rpartition("Different: ")[2].rstrip(".")
    assert set(told.split(", ")) >= names
    assert changed.changed(await terms(home.shop, acme), "subscription.schedule") == {}
    assert (await home.shop.subscription(acme)).schedule is None
