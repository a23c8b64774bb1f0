"""What comes while a change waits for its period's end is told by its name, and never undone unseen."""

import re
from collections.abc import Awaitable, Callable

import pytest

from ...support.builders import Tenant
from ...support.field_changes import terms
from ...support.house import House, until
from .test_carried import a_coupon, a_seat_more, of_its_own, subscribed, update

Meanwhile = Callable[[House, Tenant], Awaitable[None]]


async def another_coupon(home: House, acme: Tenant) -> None:
    await update(home, acme, discounts=[{"coupon": await a_coupon(home, percent_off=30)}])


async def another_card(home: House, acme: Tenant) -> None:
    await home.shop.use_card(acme, "pm_card_amex")


async def another_description(home: House, acme: Tenant) -> None:
    await update(home, acme, description="Of Acme's Berlin office alone.")


async def a_longer_trial(home: House, acme: Tenant) -> None:
    await update(home, acme, trial_end=home.stand_in.now() + 20 * 86_400)


async def waiting(home: House) -> tuple[Tenant, str]:
    """An approved change to Starter that is scheduled."""
    acme = await subscribed(home, of_its_own)
    operation = await home.ask(acme, plan="starter", effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    return acme, operation


@pytest.mark.parametrize(
    ("meanwhile", "name"),
    [
        (another_coupon, "discounts"),
        (another_card, "default_payment_method"),
        (another_description, "description"),
        (a_seat_more, "items.quantity"),
        (a_longer_trial, "trial_end"),
    ],
)
async def test_what_comes_while_a_change_waits_stays_and_ends_the_change_by_its_name(
    home: House, meanwhile: Meanwhile, name: str
) -> None:
    acme, operation = await waiting(home)
    async with home.told_by_stripe():
        await meanwhile(home, acme)
        put = await terms(home.shop, acme)
        await home.followed()
    failed = await home.wait(acme, operation, "failed")

    assert failed["error"]["code"] == "subscription_changed"
    assert name in failed["error"]["message"]
    assert put.changed(await terms(home.shop, acme), "subscription.schedule") == {}
    assert (await home.shop.subscription(acme)).schedule is None


@pytest.mark.parametrize(
    ("meanwhile", "name"),
    [
        (another_coupon, "discounts"),
        (another_card, "default_payment_method"),
        (a_seat_more, "items.quantity"),
    ],
)
async def test_what_comes_unseen_and_is_undone_is_a_mismatch_that_names_it(
    home: House, meanwhile: Meanwhile, name: str
) -> None:
    """No event reaches us before the period is over."""
    acme, operation = await waiting(home)
    await meanwhile(home, acme)
    home.stand_in.advance(16 * 86_400)
    await home.skip(hours=2)
    found = await home.wait(acme, operation, "completed", "mismatched")

    assert (found["state"], found["result"]["verified"]) == ("mismatched", False)
    assert name in {one.get("name") for one in found["result"]["differences"]}
    assert name in found["error"]["message"]


async def test_a_change_that_comes_while_it_is_still_being_scheduled_is_verified_and_asks_nobody(
    home: House,
) -> None:
    """The period ends between the phases and the look at them, which then no longer say what was approved."""
    acme = await subscribed(home, of_its_own)
    operation = await home.ask(acme, plan="starter", effective="period_end")
    await home.reviewed(acme, operation)
    home.stand_in.fault("lock_timeout", method="GET", path="^/v1/subscription_schedules/", times=3)
    await home.decide(acme.controller, operation)

    async def it_is_held_up() -> bool:
        return any(
            re.search("^/v1/subscription_schedules/", line["path"]) and not line["executed"]
            for line in home.stand_in.requests()
        )

    await until(it_is_held_up, lambda: "it is not held up")
    home.stand_in.advance(16 * 86_400)
    found = await home.wait(acme, operation, "completed", "mismatched", "failed")

    assert (found["state"], found["error"]) == ("completed", None)
    assert found["result"]["verified"] is True
