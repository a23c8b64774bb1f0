"""A key at Stripe that lacks a permission: an incident that names it, and holds only what needs it."""

import pytest

from activities.stripe import permissions
from activities.stripe.client import stripe_client
from billing.incidents.holds import RELEASED, HoldRelease
from billing.incidents.states import Component
from db.incidents import holds
from db.tables import Hold, Incident
from sandbox.stripe.server import restricted_keys

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, until
from ...support.incidents import incidents_of
from ..conftest import ON_BOTH_DATABASES
from .test_workflow import both, gate_closed, passed_on, said, skipped_until

KEY = "sk_test_plixo"


@pytest.fixture
async def acme(home: House, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    monkeypatch.setattr(permissions, "KEPT_FOR_IN_DOUBT", 0.0)  # requests take no time of the test's
    return await home.shop.tenant(home.database)


def forbid(home: House, *families: str) -> None:
    allowed = [name for name in restricted_keys.names() if not name.startswith(families)]
    reading = [f"{family}_read" for family in families]
    home.stand_in.control("keys", {"key": KEY, "permissions": [*allowed, *reading]})


def grant(home: House) -> None:
    home.stand_in.control("keys", {"key": KEY, "permissions": None})


async def looked(home: House, times: int = 3) -> list[Incident]:
    """What the worker's watch has found after so many looks."""
    assert home.watch is not None
    for _ in range(times):
        await home.watch.look()
    return list(await incidents_of(home.database, "stripe_key"))


async def waiting(home: House) -> list[Hold]:
    async with home.database.reading() as session:
        return await holds.open_holds(session, Component.STRIPE_KEY, 100)


async def until_recovered(home: House) -> None:
    async def is_recovered() -> bool:
        return all(one.recovered_at for one in await incidents_of(home.database, "stripe_key"))

    await skipped_until(home, is_recovered, seconds=10, most=15)


@ON_BOTH_DATABASES
async def test_a_missing_permission_is_an_incident_that_holds_nothing_else_and_recovers_by_itself(
    home: House, acme: Tenant
) -> None:
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 10_000)
    assert await looked(home) == []
    forbid(home, "charge")
    refund = await money.refund(home, acme, payment, 4_000)
    held = await home.wait(acme, refund, "held")
    assert held["error"]["code"] == "stripe_permission_missing"
    assert [hold.operation_id for hold in await waiting(home)] == [refund]

    [incident] = await looked(home)
    assert incident.cause == "stripe_permission_missing: rak_charge_write"
    assert not await gate_closed(home)
    banner = await home.get(acme.controller, "/v1/banner")
    [shown] = banner["incidents"]
    assert banner["degraded"]
    assert (shown["component"], shown["severity"], shown["held"]) == ("stripe_key", "degraded", 1)
    meaning = {one["capability"]: one["words"] for one in shown["capabilities"]}
    assert [one for one in meaning if "rak_charge_write" in meaning[one]] == ["refunds", "credits"]
    detail = await home.get(acme.controller, shown["runbook"])
    assert [one["id"] for one in detail["held_operations"]] == [refund]
    [listed] = (await home.get(acme.controller, "/v1/incidents?open=true"))["data"]
    assert (listed["id"], listed["cause"]) == (incident.id, incident.cause)

    await home.skip(seconds=11)
    await passed_on(home)
    assert said(home) == {"incident_alert stripe_key": both(acme)}
    assert any("rak_charge_write" in mail["text"] for mail in home.mail.mailbox.mails)
    credit = await money.credit(home, acme, customer, 1_000)
    await home.wait(acme, credit, "completed")
    assert (await home.get(acme.auditor, f"/v1/operations/{refund}"))["state"] == "held"
    resolve = f"/v1/incidents/{incident.id}/resolve"
    early = await home.post(acme.controller, resolve, {"note": "The permission is granted now."})
    assert (early.status_code, early.json()["code"]) == (409, "still_degraded")

    grant(home)
    await until_recovered(home)
    done = await home.wait(acme, refund, "completed")
    assert done["error"] is None
    assert len(money.refunds(home.shop)) == 1
    assert await waiting(home) == []
    await home.skip(seconds=1)
    answer = await home.post(acme.controller, resolve, {"note": "The new key lacked charges; it is granted."})
    assert answer.status_code in (200, 202), answer.text
    await home.temporal.get_workflow_handle(f"incident-{incident.id}").result()
    await passed_on(home)
    assert set(said(home)) >= {
        "incident_alert stripe_key",
        "incident_recovered stripe_key",
        "incident_cleared stripe_key",
    }
    assert (await home.get(acme.controller, "/v1/banner"))["incidents"] == []


async def test_what_is_told_to_go_on_and_still_lacks_a_permission_is_held_as_before(
    home: House, acme: Tenant
) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    forbid(home, "charge", "event")
    refund = await money.refund(home, acme, payment, 4_000)
    await home.wait(acme, refund, "held")
    [incident] = await looked(home)
    assert incident.cause == "stripe_permission_missing: rak_charge_write"
    [hold] = await waiting(home)
    async with home.database.transaction() as session:
        await holds.release_again(session, hold.id, await home.now())
    handle = home.temporal.get_workflow_handle(hold.workflow_id)
    await handle.signal(RELEASED, HoldRelease(hold=hold.id))

    async def held_again() -> bool:
        return [one.id for one in await waiting(home)] == [hold.id]

    await skipped_until(home, held_again, seconds=1, most=20)
    assert (await home.get(acme.auditor, f"/v1/operations/{refund}"))["state"] == "held"
    grant(home)
    await until_recovered(home)
    await home.wait(acme, refund, "completed")
    assert len(money.refunds(home.shop)) == 1


async def test_an_event_that_can_not_be_followed_opens_it_though_no_operation_waits(
    home: House, acme: Tenant
) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    assert await looked(home) == []
    but_charges = [one for one in restricted_keys.names() if not one.startswith("charge")]
    others = stripe_client("sk_test_dashboard", home.stand_in.url)
    async with home.told_by_stripe():
        home.stand_in.control("keys", {"key": KEY, "permissions": but_charges})
        await others.v1.refunds.create_async({"payment_intent": payment, "amount": 1_000})

        async def is_found() -> bool:
            return bool(await looked(home, times=1))

        await until(is_found, lambda: "nobody is told", home.patience)
        [incident] = await incidents_of(home.database, "stripe_key")
        assert "rak_charge_" in (incident.cause or "")
        assert not await gate_closed(home)
        grant(home)
        await until_recovered(home)
