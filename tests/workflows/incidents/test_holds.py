"""Stripe's bad hours: workflows are held and listed, nothing is sent, and each goes on in its turn."""

from datetime import UTC, datetime

import pytest

from billing.incidents.holds import RELEASED, HoldRelease
from billing.incidents.states import Component
from db.core.session import Database
from db.incidents import gate, holds
from db.stripe import budget
from db.tables import Hold, Incident

from ...support import money
from ...support.builders import Tenant, store
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def close(database: Database) -> None:
    async with database.transaction() as session:
        await budget.close_gate(session, datetime.now(UTC))


async def reopen(database: Database) -> None:
    async with database.transaction() as session:
        await budget.open_gate(session)


async def waiting(database: Database) -> list[Hold]:
    async with database.reading() as session:
        return await holds.open_holds(session, Component.STRIPE, 100)


async def release(home: House, hold: Hold) -> None:
    """As an incident does it: the row first, then the workflow."""
    async with home.database.transaction() as session:
        released = await holds.release(session, hold.id, datetime.now(UTC))
    assert released is not None
    handle = home.temporal.get_workflow_handle(hold.workflow_id)
    await handle.signal(RELEASED, HoldRelease(hold=hold.id))


async def recover(home: House) -> None:
    """Everything that is held goes on, the longest held first."""
    await reopen(home.database)
    for hold in await waiting(home.database):
        await release(home, hold)


async def listed(home: House, tenant: Tenant, state: str = "held") -> list[str]:
    page = await home.get(tenant.auditor, f"/v1/operations?state={state}")
    return [operation["id"] for operation in page["data"]]


async def test_a_refund_is_held_before_anything_is_asked_and_issued_once_afterwards(
    home: House, acme: Tenant
) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    await close(home.database)
    seen = home.stand_in.last_request()
    operation = await money.refund(home, acme, payment, 4_000)
    held = await home.wait(acme, operation, "held")
    assert await listed(home, acme) == [operation]
    assert held["stage"] == "accepted"
    assert home.stand_in.requests(seen) == []

    await recover(home)
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["status"] == "succeeded"
    assert len(money.refunds(home.shop, seen)) == 1
    assert await listed(home, acme) == await waiting(home.database) == []
    events = await home.events(acme, operation)
    held_at = next(number for number, event in enumerate(events) if event.startswith("held"))
    assert events[held_at + 1] == "resumed_after_incident"


async def test_a_credit_that_was_approved_is_held_and_given_once(home: House, acme: Tenant) -> None:
    customer = await money.customer(home.shop, acme)
    operation = await money.credit(home, acme, customer, 60_000)
    await home.reviewed(acme, operation)
    await close(home.database)
    seen = home.stand_in.last_request()
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "held")
    assert home.stand_in.requests(seen) == []

    await recover(home)
    await home.wait(acme, operation, "completed")
    assert len(money.made(home.shop, f"/v1/customers/{customer}/balance_transactions", seen)) == 1


async def test_a_plan_change_whose_calls_are_refused_together_is_held_once(home: House, acme: Tenant) -> None:
    # The subscription is read; then the plan, and later both previews, would be asked for at the same time.
    home.stand_in.fault("delay", path="/v1/subscriptions/", delay_ms=300)
    seen = home.stand_in.last_request()
    operation = await home.ask(acme)
    await until(
        lambda: _asked(home, seen, "/v1/subscriptions/"),
        lambda: "the subscription is not read",
        home.patience,
    )
    await close(home.database)
    await home.wait(acme, operation, "held")
    assert [hold.state for hold in await waiting(home.database)] == ["accepted"]

    await recover(home)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    assert [line["path"] for line in home.shop.changes(seen)] == [
        f"/v1/subscriptions/{acme.organization.stripe_subscription}"
    ]


async def _asked(home: House, seen: int, path: str) -> bool:
    return any(path in line["path"] for line in home.stand_in.requests(seen))


@ON_BOTH_DATABASES
async def test_what_is_held_goes_on_in_the_order_in_which_it_stopped(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    await close(home.database)
    operations = []
    for amount in (100, 200, 300):
        operations.append(await money.refund(home, acme, payment, amount))
        await home.wait(acme, operations[-1], "held")
    found = await waiting(home.database)
    assert [hold.operation_id for hold in found] == operations
    async with home.database.reading() as session:
        assert await holds.count(session, Component.STRIPE, acme.id) == 3
        assert await holds.count(session, Component.STRIPE, "org_other") == 0
    await recover(home)
    for operation in operations:
        await home.wait(acme, operation, "completed")


async def test_who_tries_whether_stripe_has_recovered_goes_on_alone(home: House, acme: Tenant) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    await close(home.database)
    first = await money.refund(home, acme, payment, 100)
    await home.wait(acme, first, "held")
    second = await money.refund(home, acme, payment, 200)
    await home.wait(acme, second, "held")
    [trial, other] = await waiting(home.database)
    async with home.database.transaction() as session:
        await budget.try_with(session, trial.workflow_id)
    await release(home, trial)
    await home.wait(acme, first, "completed")
    assert await listed(home, acme) == [second]

    # One that is released too early is held once more.
    await release(home, other)

    async def held_again() -> bool:
        return [hold.id for hold in await waiting(home.database)] == [other.id.removesuffix("-1") + "-2"]

    await until(held_again, lambda: "it is not held again", home.patience)
    await recover(home)
    await home.wait(acme, second, "completed")


async def held_refund(home: House, acme: Tenant) -> tuple[str, Hold]:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    await close(home.database)
    operation = await money.refund(home, acme, payment, 100)
    await home.wait(acme, operation, "held")
    [hold] = await waiting(home.database)
    return operation, hold


@pytest.mark.parametrize("how", ["the signal was lost", "nobody is left to release it", "an operator opened"])
async def test_a_workflow_that_nobody_tells_finds_out_by_itself_that_it_may_go_on(
    home: House, acme: Tenant, how: str
) -> None:
    operation, hold = await held_refund(home, acme)
    if how == "an operator opened":
        # Its incident is still open, and nothing would close it.
        await store(
            home.database,
            Incident(id="inc_1", component="stripe", opened_at=hold.held_at, cause="rate_limit"),
        )
        async with home.database.transaction() as session:
            opened = await gate.open_by_operator(
                session, by="operator jane", because="Stripe says that it is well.", at=datetime.now(UTC)
            )
        assert [one.id for one in opened.held] == [hold.id]
    else:
        await reopen(home.database)
    if how == "the signal was lost":
        async with home.database.transaction() as session:
            assert await holds.release(session, hold.id, datetime.now(UTC)) is not None
    await home.skip(minutes=6)
    await home.wait(acme, operation, "completed")
    if how == "an operator opened":
        page = await home.get(acme.auditor, f"/v1/operations/{operation}/timeline?limit=100")
        [told] = [event for event in page["data"] if event["code"] == "gate_opened_by_operator"]
        because = "Stripe says that it is well."
        assert (told["actor"], told["detail"]) == (
            "system",
            {"operator": "operator jane", "because": because},
        )
    async with home.database.reading() as session:
        assert (await session.get_one(Hold, hold.id)).resumed_at is not None


async def test_a_workflow_waits_on_while_the_gate_is_shut_or_its_incident_will_release_it(
    home: House, acme: Tenant
) -> None:
    operation, hold = await held_refund(home, acme)
    await home.skip(minutes=6)
    assert await listed(home, acme) == [operation]
    incident = Incident(
        id="inc_1", component="stripe", opened_at=hold.held_at, recovered_at=hold.held_at, cause="rate_limit"
    )
    await store(home.database, incident)
    await reopen(home.database)
    await home.skip(minutes=16)
    assert await listed(home, acme) == [operation]
    async with home.database.transaction() as session:
        (await session.get_one(Incident, "inc_1")).cleared_at = datetime.now(UTC)
    await home.skip(minutes=31)
    await home.wait(acme, operation, "completed")


async def test_a_workflow_that_is_held_all_day_costs_a_handful_of_events_an_hour(
    home: House, acme: Tenant
) -> None:
    operation, hold = await held_refund(home, acme)
    handle = home.temporal.get_workflow_handle(hold.workflow_id)
    await home.skip(hours=2)
    before = len((await handle.fetch_history()).events)
    await home.skip(hours=10)
    assert len((await handle.fetch_history()).events) - before <= 10 * 7
    assert await listed(home, acme) == [operation]
    await recover(home)
    await home.wait(acme, operation, "completed")


@ON_BOTH_DATABASES
async def test_a_cancellation_of_what_is_held_is_taken_and_holds_after_the_release(
    home: House, acme: Tenant
) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    await close(home.database)
    seen = home.stand_in.last_request()
    refund, change = await money.refund(home, acme, payment, 100), await home.ask(acme)
    for operation, kind in ((refund, "refunds"), (change, "plan-changes")):
        await home.wait(acme, operation, "held")
        answer = await home.post(acme.admin, f"/v1/{kind}/{operation}/cancel", {"comment": "No need."})
        assert answer.status_code in (200, 202), answer.text
    assert await listed(home, acme) == [change, refund]
    await recover(home)
    for operation in (refund, change):
        await home.wait(acme, operation, "cancelled")
    assert home.shop.changes(seen) == []


async def test_a_note_for_an_ended_operation_waits_too_and_leaves_it_as_it_ended(
    home: House, acme: Tenant
) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    operation = await money.refund(home, acme, payment, 100)
    done = await home.wait(acme, operation, "completed")
    await close(home.database)
    answer = await home.post(
        acme.admin, f"/v1/refunds/{operation}/notes", {"note": "It was the second charge."}
    )
    assert answer.status_code in (201, 202), answer.text

    async def is_held() -> bool:
        return len(await waiting(home.database)) == 1

    await until(is_held, lambda: "the note is not held", home.patience)
    assert (await home.get(acme.auditor, f"/v1/operations/{operation}"))["state"] == "completed"
    await recover(home)

    async def noted() -> bool:
        refund = await home.shop.client.v1.refunds.retrieve_async(done["result"]["refund"])
        return "plixo_note_2" in (refund.metadata or {})

    await until(noted, lambda: "the note does not arrive", home.patience)
    assert (await home.get(acme.auditor, f"/v1/operations/{operation}"))["state"] == "completed"


async def test_what_a_permission_is_missing_for_says_so_and_goes_on_by_itself_when_it_is_granted(
    home: House, acme: Tenant
) -> None:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    key = "sk_test_plixo"
    allowed = [f"{one}_write" for one in ("customer", "subscription", "invoice", "payment_intent", "plan")]
    home.stand_in.control("keys", {"key": key, "permissions": [*allowed, "charge_read", "credit_note_write"]})
    operation = await money.refund(home, acme, payment, 4_000)
    held = await home.wait(acme, operation, "held")
    assert held["error"]["code"] == "stripe_permission_missing"
    assert "rak_charge_write" in held["error"]["message"]
    assert await waiting(home.database) == [], "it does not wait for Stripe"
    async with home.database.reading() as session:
        assert (await budget.read(session)).held_since is None, "everything else goes on"
    credit = await money.credit(home, acme, await money.customer(home.shop, acme), 1_000)
    await home.wait(acme, credit, "completed")
    home.stand_in.control("keys", {"key": key, "permissions": None})
    await home.skip(minutes=2)
    done = await home.wait(acme, operation, "completed")
    assert (done["error"], done["result"]["status"]) == (None, "succeeded")
    assert len(money.refunds(home.shop)) == 1
    events = await home.events(acme, operation)
    assert [event for event in events if event.startswith(("held", "resumed"))] == [
        "held_for_permission",
        "resumed_with_permission",
    ]
