"""A planned end that is taken back with a plan change, and planned again where nothing comes of that."""

from typing import Any

import pytest
from sqlmodel import select

from billing.plan_changes.subject import PlanChangeInput
from db.tables import Intent
from workflows.core import ids

from ...support import quotes
from ...support.builders import Tenant
from ...support.cancellations import approved, cancel
from ...support.house import House, until
from ...support.restarts import run_again, stopped
from ..conftest import ON_BOTH_DATABASES
from .test_items import PATH, WAYS, carried_out
from .test_workflow import HALF_A_MONTH

WISH = {"plan": "growth", "take_back_end": True}
DAY = 86_400


async def ending(home: House, at: int | None = None) -> Tenant:
    """Set in Stripe to end with its period, or at a time, half a month after it began."""
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    end: Any = {"cancel_at": at} if at else {"cancel_at_period_end": True}
    await home.shop.client.v1.subscriptions.update_async(acme.organization.stripe_subscription, end)
    home.stand_in.advance(HALF_A_MONTH)
    return acme


async def end(home: House, acme: Tenant) -> tuple[bool, int | None]:
    found = await home.shop.subscription(acme)
    return found.cancel_at_period_end, found.cancel_at


@pytest.mark.parametrize("at", [None, 70], ids=["with its period", "at a date"])
@pytest.mark.parametrize("way", WAYS)
async def test_it_is_taken_back_with_the_change_however_that_is_charged(
    home: House, way: str, at: int | None
) -> None:
    acme = await ending(home, home.stand_in.now() + at * DAY if at else None)
    planned = await end(home, acme)
    assert planned[1] is not None
    operation = await home.ask(acme, **WISH, **WAYS[way])
    approval = await home.reviewed(acme, operation)
    assert await end(home, acme) == planned
    await home.decide(acme.controller, operation)
    if way == "period end":
        await home.wait(acme, operation, "running", stage="scheduled")
        home.stand_in.advance(16 * DAY)
        await home.skip(hours=2)
    done = await home.wait(acme, operation, "completed", "mismatched", "failed")

    assert (done["state"], done["error"]) == ("completed", None)
    assert approval["subject"]["takes_back"] == {"at": planned[1], "at_period_end": planned[0]}
    assert await end(home, acme) == (False, None)
    found = (await home.shop.subscription(acme))["items"].data[0]
    assert found.price.id == home.shop.price["growth", "month"]
    assert approval["subject"]["preview"]["next_invoice"]["total"] >= 6 * 2000


@ON_BOTH_DATABASES
async def test_the_cancellation_that_waits_for_it_ends_and_no_case_is_opened(home: House) -> None:
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    cancellation = await cancel(home, acme, "at_period_end")
    await approved(home, acme, cancellation)
    await home.wait(acme, cancellation, "running", stage="ending")
    async with home.told_by_stripe():
        done = await carried_out(home, acme, **WISH)
        await home.followed()
    ended = await home.wait(acme, cancellation, "cancelled")

    assert done["state"] == "completed"
    assert done["id"] in ended["error"]["message"]
    assert (await home.get(acme.controller, "/v1/cases"))["data"] == []


@pytest.mark.parametrize("at", [None, 70], ids=["with its period", "at a date"])
async def test_it_is_planned_again_where_the_change_is_cancelled_while_it_waits(
    home: House, at: int | None
) -> None:
    acme = await ending(home, home.stand_in.now() + at * DAY if at else None)
    planned = await end(home, acme)
    operation = await home.ask(acme, **WISH, effective="period_end")
    await home.reviewed(acme, operation)
    async with home.told_by_stripe():
        await home.decide(acme.controller, operation)
        await home.wait(acme, operation, "running", stage="scheduled")
        assert await end(home, acme) == (False, None)
        await home.post(acme.admin, f"{PATH}/{operation}/cancel", {})
        await home.wait(acme, operation, "cancelled")
        await home.followed()

    assert await end(home, acme) == planned
    assert (await home.shop.subscription(acme)).schedule is None
    assert (await home.get(acme.controller, "/v1/cases"))["data"] == []


async def test_it_is_planned_again_where_stripe_refuses_the_schedule(home: House) -> None:
    acme = await ending(home)
    planned = await end(home, acme)
    operation = await home.ask(acme, **WISH, effective="period_end")
    await home.reviewed(acme, operation)
    home.stand_in.fault("refuse", method="POST", path="^/v1/subscription_schedules$", times=1)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "failed")

    assert await end(home, acme) == planned


async def test_that_it_cannot_be_planned_again_is_said(home: House) -> None:
    acme = await ending(home)
    operation = await home.ask(acme, **WISH, effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    home.stand_in.fault("refuse", method="POST", path="^/v1/subscriptions/", times=1)
    await home.post(acme.admin, f"{PATH}/{operation}/cancel", {})
    failed = await home.wait(acme, operation, "failed")

    assert failed["error"]["code"] == "end_not_planned"


@pytest.mark.parametrize("at", [None, 70], ids=["with its period", "at a date"])
async def test_it_is_planned_again_once_its_period_is_over_only_where_it_was_to_end_at_a_date(
    home: House, at: int | None
) -> None:
    """Nothing tells us that somebody has released the schedule, and the plan renews as it was."""
    acme = await ending(home, home.stand_in.now() + at * DAY if at else None)
    planned = await end(home, acme)
    operation = await home.ask(acme, **WISH, effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    schedule = (await home.shop.subscription(acme)).schedule
    assert isinstance(schedule, str)
    await home.shop.client.v1.subscription_schedules.release_async(schedule)
    home.stand_in.advance(16 * DAY)
    await home.skip(hours=2)
    failed = await home.wait(acme, operation, "failed")

    assert failed["error"]["code"] == ("schedule_gone" if at else "end_not_planned")
    assert await end(home, acme) == (planned if at else (False, None))


async def test_an_earlier_runs_planning_again_is_brought_to_its_end(home: House) -> None:
    """Though somebody has planned the end in Stripe meanwhile."""
    acme = await ending(home)
    planned = await end(home, acme)
    operation = await home.ask(acme, **WISH, effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    subscription = acme.organization.stripe_subscription
    home.stand_in.fault("drop_before", method="POST", path=f"^/v1/subscriptions/{subscription}$", times=1_000)
    await home.post(acme.admin, f"{PATH}/{operation}/cancel", {})

    async def intents() -> dict[str, str]:
        async with home.database.reading() as session:
            found = await session.exec(
                select(Intent.step, Intent.state).where(Intent.operation_id == operation)
            )
            return dict(found.all())

    async def begun() -> bool:
        return "end_again" in await intents()

    await until(begun, lambda: "its end was not planned again")
    lost = await stopped(home, operation, PlanChangeInput)
    home.stand_in.clear_faults()
    await home.shop.client.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True})
    await run_again(home, ids.PLAN_CHANGE, lost)
    ended = await home.wait(acme, operation, "cancelled", "failed", "mismatched")

    assert (ended["state"], ended["error"]) == ("cancelled", None)
    assert await end(home, acme) == planned
    assert set((await intents()).values()) == {"done"}


@pytest.mark.parametrize(("at", "code"), [(0, "not_cancelling"), (20, "ends_within_period")])
async def test_an_end_that_cannot_be_taken_back_is_an_obstacle_of_its_own(
    home: House, at: int, code: str
) -> None:
    acme = await home.shop.tenant(home.database, "starter", seats=6)
    if at:
        acme = await ending(home, home.stand_in.now() + at * DAY)
    quoted = await quotes.quote(home, acme.admin, PATH, WISH | {"reason": "We stay."})
    failed = await home.wait(acme, await home.ask(acme, **WISH), "failed")

    assert [one["code"] for one in quoted["obstacles"]] == [failed["error"]["code"]] == [code]
    without = await quotes.quote(home, acme.admin, PATH, {"plan": "growth", "reason": "We stay."})
    assert [one["code"] for one in without["obstacles"]] == (["subscription_cancelling"] if at else [])
