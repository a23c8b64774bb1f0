"""Whoever kills the worker, whatever Stripe does meanwhile: one change, verified, by no hand."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from billing.timeline import Event, verify_chain
from db import intents, timeline
from sandbox.stripe.inprocess import StandIn

from ..builders import Tenant
from ..house import House
from ..shop import APRIL, MID_APRIL, Shop, open_shop
from .plan import Fault, Kill, Scenario
from .stage import Stage, stage

# Many scenarios make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

UPDATE = r"POST .*/v1/subscriptions/sub_[^/]+$"
SUBSCRIPTION = r"GET .*/v1/subscriptions/"
PRICE = r"GET .*/v1/prices/"
PREVIEW = r"POST .*/create_preview"
INVOICES = r"GET .*/v1/invoices\?"
SUB_PATH = "/v1/subscriptions/{sub}$"


def kill(point: Any, match: str, nth: int = 1) -> Kill:
    return Kill(point=point, match=match, nth=nth)


def fault(kind: str, path: str = SUB_PATH, **more: Any) -> Fault:
    return Fault(fault=kind, path=path, more=more)


def at_request(step: str, match: str, nth: int = 1) -> list[Scenario]:
    points = ("before request", "during request", "after request")
    return [Scenario(name=f"killed {p} {step}", kills=(kill(p, match, nth),)) for p in points]


def at_commit(step: str, match: str) -> list[Scenario]:
    points = ("before commit", "after commit")
    return [Scenario(name=f"killed {p} of {step}", kills=(kill(p, match),)) for p in points]


LATE = fault("delay", delay_ms=1500)
CHANGE_NOW = [
    *at_request("the first read", SUBSCRIPTION),
    *at_request("the plan's price", PRICE),
    *at_request("the preview", PREVIEW),
    *at_request("the renewal preview", PREVIEW, 2),
    *at_request("the re-check", SUBSCRIPTION, 2),
    *at_request("the preview of the re-check", PREVIEW, 3),
    *at_request("the change", UPDATE),
    *at_request("the verification", INVOICES),
    *at_commit("the preview", "preview:1"),
    *at_commit("the review", ":opened$"),
    *at_commit("the decision", ":decided$"),
    *at_commit("the start of applying", "applying"),
    *at_commit("the intent", "intent"),
    *at_commit("the effect", "effect:apply"),
    *at_commit("the end", "ended"),
    *(
        Scenario(name=f"Stripe answers {kind}", faults=(fault(kind),))
        for kind in (
            "rate_limit",
            "lock_timeout",
            "key_in_use",
            "error_before",
            "error_after",
            "drop_before",
            "drop_after",
            "bad_gateway",
        )
    ),
    Scenario(name="Stripe answers after the client gave up", faults=(fault("delay", delay_ms=6000),)),
    Scenario(
        name="killed while Stripe is late with the change",
        kills=(kill("during request", UPDATE),),
        faults=(LATE,),
    ),
    Scenario(
        name="killed after an answer that was dropped",
        kills=(kill("before request", SUBSCRIPTION, 3),),
        faults=(fault("drop_after"),),
    ),
    Scenario(
        name="killed three times around the change",
        kills=(
            kill("before request", UPDATE),
            kill("after request", UPDATE),
            kill("before commit", "effect:"),
        ),
    ),
    Scenario(
        name="killed after a 500 that was executed, and again at the close",
        kills=(kill("before commit", "effect:apply"),),
        faults=(fault("error_after"),),
    ),
]

SCHEDULES, SCHEDULE = r"POST .*/v1/subscription_schedules$", r"POST .*/v1/subscription_schedules/[^/]+$"
SCHEDULE_PATHS = ("/v1/subscription_schedules$", "/v1/subscription_schedules/[^/]+$")
CHANGE_AT_PERIOD_END = [
    *at_request("the schedule", SCHEDULES),
    *at_request("its phases", SCHEDULE),
    *at_commit("the schedule", "effect:schedule"),
    *at_commit("its phases", "effect:phases"),
    *at_commit("the waiting", "scheduled"),
]


@pytest.fixture(scope="module")
async def theatre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("crash")
    with StandIn() as stand_in:
        shop = await open_shop(stand_in, APRIL)
        stand_in.advance(MID_APRIL - APRIL)
        async with stage(shop, folder, len(CHANGE_NOW) + len(CHANGE_AT_PERIOD_END) + 10) as built:
            yield built
        assert stand_in.violations() == []


AT_ONCE = 16
"""Scenarios side by side: most of their time is waiting for timeouts."""


async def test_a_change_now_survives_every_kill_and_fault(theatre: Stage) -> None:
    await play_all(theatre, CHANGE_NOW, change_now)


async def test_a_change_at_period_end_survives_every_kill(theatre: Stage) -> None:
    await play_all(theatre, CHANGE_AT_PERIOD_END, change_at_period_end)


async def play_all(theatre: Stage, scenarios: list[Scenario], story: Any) -> None:
    """Every scenario is played; the failures are told together, each with its name."""
    room = asyncio.Semaphore(AT_ONCE)

    async def played(scenario: Scenario) -> str | None:
        async with room, theatre.scene(scenario) as (home, victim):
            try:
                await story(home, scenario, victim)
                assert victim.unplanned == [], f"the worker ended by itself: {victim.unplanned}"
                assert victim.deaths == len(scenario.kills), f"killed {victim.deaths} times"
            except AssertionError as failure:
                return f"{scenario.name} ({victim.log}): {failure}"
            return None

    failures = [found for found in await asyncio.gather(*map(played, scenarios)) if found]
    assert not failures, "\n".join([f"{len(failures)} of {len(scenarios)}:", *failures])


async def change_now(home: House, scenario: Scenario, victim: Any) -> None:
    acme = await prepared(home, scenario, "starter")
    await victim.start(scenario.kills)
    operation = await home.ask(acme, plan="growth")
    await home.reviewed(acme, operation)
    answer = await home.decide(acme.controller, operation)
    assert answer.status_code in (200, 202), answer.text
    done = await home.wait(acme, operation, "completed", "failed", "mismatched", "declined")

    assert done["state"] == "completed", done["error"]
    assert done["result"]["verified"] is True
    writes = executed_writes(home.shop, acme)
    assert [line["path"] for line in writes] == [SUB_PATH.format(sub=sub_of(acme))[:-1]], writes
    assert len(await home.shop.invoices(acme)) == 2
    assert (await home.shop.subscription(acme))["items"].data[0].price.id == home.shop.price[
        "growth", "month"
    ]
    await check_records(home, operation, effects=1)


async def change_at_period_end(home: House, scenario: Scenario, victim: Any) -> None:
    acme = await prepared(home, scenario, "growth")
    await victim.start(scenario.kills)
    operation = await home.ask(acme, plan="starter", effective="period_end")
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "running", stage="scheduled")
    scheduled = (await home.shop.subscription(acme)).schedule
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/cancel", {})
    assert answer.status_code in (200, 202), answer.text
    await home.wait(acme, operation, "cancelled")

    schedules = await home.shop.client.v1.subscription_schedules.list_async(
        {"customer": acme.organization.stripe_customer}
    )
    assert [(found.id, found.status) for found in schedules.data] == [(scheduled, "released")]
    await check_records(home, operation, effects=3)


async def prepared(home: House, scenario: Scenario, plan: str) -> Tenant:
    acme = await home.shop.tenant(home.database, plan, seats=6)
    for planned in scenario.faults:
        home.stand_in.fault(
            planned.fault,
            method=planned.method,
            path=planned.path.format(sub=sub_of(acme)),
            times=1,
            **planned.more,
        )
    return acme


def sub_of(tenant: Tenant) -> str:
    return tenant.organization.stripe_subscription


def executed_writes(shop: Shop, tenant: Tenant) -> list[dict[str, Any]]:
    """The writes to this organization's subscription that the stand-in executed itself, not replayed."""
    path = f"/v1/subscriptions/{sub_of(tenant)}"
    return [line for line in shop.changes() if line["path"] == path and not line["replayed"]]


async def check_records(home: House, operation: str, effects: int) -> None:
    """Every intent is closed, and the timeline is whole and says everything once."""
    async with home.database.reading() as session:
        kept = await intents.of_operation(session, operation)
        events = await timeline.read(session, operation)
    assert [intent.state for intent in kept] == ["done"] * effects, [i.model_dump() for i in kept]
    verify_chain(
        operation,
        [Event.model_validate(event.model_dump(exclude={"operation_id", "key"})) for event in events],
    )
    assert sum(event.event == "changed in Stripe" for event in events) == effects
    assert sum(event.key.endswith(":decided") for event in events) == 1
