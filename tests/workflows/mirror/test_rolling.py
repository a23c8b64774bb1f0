"""By schedule what is new is compared, and a piece of everything: within a week that was all of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlmodel import col, select

from activities.mirror import pages as mirror_pages
from activities.mirror import reconciliations as runs_of
from activities.mirror.reconciliations import Reconciliations
from db.mirror import reconciliations
from db.tables import Customer, DifferenceRow, Reconciliation, Setback, StripeEventCheck
from worker import composition
from workflows.core import ids, options

from ...support import money
from ...support.builders import Tenant, store
from ...support.house import House
from ..conftest import ON_BOTH_DATABASES

LISTS = {
    *("/v1/subscriptions", "/v1/customers", "/v1/invoices", "/v1/payment_intents", "/v1/invoice_payments"),
    *("/v1/refunds", "/v1/credit_notes"),
}
WEEK = timedelta(days=7)


@dataclass
class Clock:
    """That of those who compare; the mirror's own is the real one."""

    later: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.later


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(composition, "Reconciliations", partial(Reconciliations, clock=clock))
    return clock


@pytest.fixture
async def acme(home: House) -> Tenant:
    """An organization, of all of whose changes events tell nothing: they count as known."""
    future = datetime.now(UTC) + WEEK
    await store(home.database, StripeEventCheck(id="account", complete_until=future, checked_at=future))
    return await home.shop.tenant(home.database)


async def by_schedule(home: House) -> list[str]:
    """A run; the paths that it asked Stripe for."""
    line = home.stand_in.last_request()
    await home.run(ids.RECONCILE)
    return [asked["path"] for asked in home.stand_in.requests(line)]


async def something_happens(home: House) -> None:
    """Stripe is known to have had an event, by a row alone."""
    async with home.database.transaction() as session:
        check = await session.get_one(StripeEventCheck, "account")
        check.complete_until += timedelta(seconds=1)


async def runs(home: House) -> list[Reconciliation]:
    async with home.database.reading() as session:
        wanted = select(Reconciliation).order_by(col(Reconciliation.started_at), col(Reconciliation.id))
        return list(await session.exec(wanted))


async def the_rolling_one(home: House) -> Reconciliation:
    async with home.database.reading() as session:
        found = await reconciliations.rolling(session)
    assert found is not None
    return found


async def found_in(home: House, run: str) -> set[str]:
    async with home.database.reading() as session:
        wanted = select(DifferenceRow.object_id).where(DifferenceRow.reconciliation_id == run)
        return set(await session.exec(wanted))


async def test_the_first_run_compares_everything_and_the_next_ones_what_is_new(
    home: House, acme: Tenant
) -> None:
    old = await money.customer(home.shop, acme, "Blue")
    payment = await money.pay(home.shop, old, 5000)
    home.stand_in.advance(3600)
    later = await money.customer(home.shop, acme)
    newest = await money.pay(home.shop, later, 5000)
    assert set(await by_schedule(home)) >= LISTS
    assert set(await by_schedule(home)) >= LISTS, "where its windows begin"
    home.stand_in.advance(3600)
    refund = await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 700})
    await home.shop.client.v1.customers.update_async(old, {"name": "Green"})
    await something_happens(home)
    assert set(await by_schedule(home)) >= LISTS
    home.stand_in.advance(3600)
    new = await money.customer(home.shop, acme, "Red")
    await something_happens(home)
    await by_schedule(home)

    first, second, third, fourth = [run for run in await runs(home) if run.scope != "rolling"]
    assert [run.scope for run in (first, second, third, fourth)] == ["all", *["recent"] * 3]
    assert await found_in(home, first.id) == {old, payment, later, newest}
    assert await found_in(home, second.id) == set()
    assert await found_in(home, third.id) == {refund.id}, "no window shows the older customer and payment"
    assert await found_in(home, fourth.id) == {new}
    compared = fourth.counts[acme.id]
    assert (compared["customer"], compared["payment"]) == (2, 1), "with the newest that there was"


async def test_where_nothing_has_happened_only_events_are_asked_for_but_not_for_long(
    home: House, acme: Tenant, clock: Clock
) -> None:
    await money.customer(home.shop, acme)
    await by_schedule(home)
    assert set(await by_schedule(home)) >= LISTS
    assert await by_schedule(home) == ["/v1/events"]
    await something_happens(home)
    assert set(await by_schedule(home)) >= LISTS
    assert await by_schedule(home) == ["/v1/events"]
    clock.later = timedelta(hours=6, seconds=-30)  # the sixth run after; the one before ended a little later
    assert set(await by_schedule(home)) >= LISTS


@ON_BOTH_DATABASES
async def test_everything_is_compared_within_a_week_and_then_again(
    home: House, acme: Tenant, clock: Clock
) -> None:
    v1 = home.shop.client.v1
    stays, goes = await money.customer(home.shop, acme, "Blue"), await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, stays, 5000)
    home.stand_in.advance(3600)
    await money.customer(home.shop, acme)
    await by_schedule(home)
    await by_schedule(home)
    first = await the_rolling_one(home)
    assert (first.scope, first.requested_by, first.pages) == ("rolling", "system", 0)
    await v1.customers.update_async(stays, {"name": "Green"})
    await v1.customers.delete_async(goes)
    await by_schedule(home)
    assert await found_in(home, first.id) == set(), "not before its turn"

    clock.later = timedelta(days=3)
    await by_schedule(home)
    half = await the_rolling_one(home)
    assert 0 < half.pages < 15
    clock.later = WEEK
    await by_schedule(home)

    async with home.database.reading() as session:
        over = await session.get_one(Reconciliation, first.id)
        names = {row.id: (row.name, row.deleted) for row in await session.exec(select(Customer))}
    assert (over.state, over.pages) == ("completed", 13)
    assert await found_in(home, first.id) == {stays, goes}
    assert names[stays] == ("Green", False)
    assert names[goes][1] is True
    assert {kind for kind, number in over.counts[acme.id].items() if number} >= {"customer", "payment"}
    assert payment not in await found_in(home, first.id)
    await by_schedule(home)
    assert (await the_rolling_one(home)).id != first.id
    seen = await home.get(acme.auditor, f"/v1/reconciliations/{first.id}")
    assert (seen["scope"], seen["state"]) == ("rolling", "completed")


async def test_it_goes_on_where_it_stood_though_the_object_there_is_gone(
    home: House, acme: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_pages, "PAGE", 1)
    monkeypatch.setattr(runs_of, "PAGE", 1)
    made = []
    for _ in range(6):
        home.stand_in.advance(60)
        made.append(await money.customer(home.shop, acme))
    await by_schedule(home)
    await by_schedule(home)
    clock.later = timedelta(days=2)
    await by_schedule(home)
    half = await the_rolling_one(home)
    assert half.place is not None
    assert half.place["phase"] == 0
    at = half.place["after"]
    assert at in made
    await home.shop.client.v1.customers.delete_async(at)

    clock.later = WEEK
    await by_schedule(home)
    async with home.database.reading() as session:
        over = await session.get_one(Reconciliation, half.id)
    assert (over.state, over.counts[acme.id]["customer"]) == ("completed", len(made)), "each once"


async def test_a_long_piece_goes_on_in_a_new_history(
    home: House, acme: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "LONG_HISTORY", 20)
    await money.customer(home.shop, acme)
    await by_schedule(home)
    await by_schedule(home)
    clock.later = WEEK
    await by_schedule(home)
    handle = home.temporal.get_workflow_handle(home.ran[-1])
    history = await handle.fetch_history()
    first = history.events[0].workflow_execution_started_event_attributes
    assert first.continued_execution_run_id
    states = {run.scope: run.state for run in await runs(home)}
    assert states == {"all": "completed", "recent": "completed", "rolling": "completed"}


async def test_what_could_not_be_mirrored_is_tried_again_by_each_run(home: House, acme: Tenant) -> None:
    await home.run(ids.RECONCILE)
    at = datetime.now(UTC)
    failed = Setback(sweep="mirror of customers", unit="cus_gone", error="KeyError", first_at=at, last_at=at)
    await store(home.database, failed)
    assert (await by_schedule(home)).count("/v1/customers/cus_gone") == 1
    async with home.database.reading() as session:
        assert (await session.exec(select(Setback))).all() == []
