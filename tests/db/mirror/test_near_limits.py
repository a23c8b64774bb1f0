"""Admins hear once of a limit that is near, and again when it is come to anew."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, delete, select

from billing.plan_changes.plans import Plan, PlanLimits, Price
from db.core.session import Database
from db.mirror import mirror, near_limits
from db.tables import Customer, Organization, Outbox

from ...support.builders import NOW, Tenant, a_customer, store, tenant

HELD: dict[str, Any] = {
    "plan": "starter",
    "price": "price_starter",
    "seats": 10,
    "interval": "month",
    "currency": "usd",
}


def starter(currency: str = "usd") -> Plan:
    price = Price(id="price_starter", interval="month", unit_amount=1000, currency=currency)
    return Plan(
        plan="starter",
        name="Starter",
        product="prod_starter",
        seats_included=10,
        limits=PlanLimits(seats=10, customers=5, ar_balance=100_000),
        prices=(price,),
    )


@pytest.fixture
async def acme(database: Database) -> Tenant:
    async with database.transaction() as session:
        await mirror.store_plan(session, starter(), synced_at=NOW)
    return await tenant(database, subscription=HELD)


async def look(database: Database, acme: Tenant, minute: int) -> list[tuple[str, int]]:
    """What is told in this minute: each limit with its percent."""
    async with database.transaction() as session:
        before = set(await session.exec(select(Outbox.id)))
        await near_limits.tell(session, acme.id, NOW + timedelta(minutes=minute))
        sent = await session.exec(select(Outbox).where(col(Outbox.id).not_in(before)))
        limits = [one.payload["context"]["limit"] for one in sent]
    return [(one["name"], one["percent"]) for one in limits]


async def more(database: Database, acme: Tenant, count: int) -> None:
    await store(database, *(a_customer(acme.id) for _ in range(count)))


async def test_it_is_told_at_each_step_once_and_again_when_it_comes_back(
    database: Database, acme: Tenant
) -> None:
    assert await look(database, acme, 0) == []
    await more(database, acme, 4)
    assert await look(database, acme, 1) == [("customers", 80)]
    assert await look(database, acme, 2) == []
    await more(database, acme, 1)
    assert await look(database, acme, 3) == [("customers", 100)]
    async with database.transaction() as session:
        await session.exec(delete(Customer).where(col(Customer.organization_id) == acme.id))
    assert await look(database, acme, 4) == []
    await more(database, acme, 4)
    assert await look(database, acme, 5) == [("customers", 80)]


async def test_every_organization_is_looked_at_page_by_page(
    database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [await tenant(database, subscription=HELD) for _ in range(2)]
    monkeypatch.setattr(near_limits, "PAGE", 2)
    found: list[str] = []
    async with database.reading() as session:
        while page := await near_limits.page(session, found[-1] if found else ""):
            found += page
    assert found == sorted(one.id for one in (acme, *others))


async def test_one_whose_plan_has_ended_is_told_of_nothing(database: Database, acme: Tenant) -> None:
    former = await tenant(database, subscription=HELD | {"status": "canceled"})
    await more(database, former, 5)
    assert await look(database, former, 0) == []


async def test_one_without_a_plan_is_told_of_nothing(database: Database, acme: Tenant) -> None:
    new = await tenant(database, subscription=HELD | {"plan": "novel"})
    await more(database, new, 5)
    assert await look(database, new, 0) == []
    async with database.reading() as session:
        assert (await session.get_one(Organization, new.id)).limits_told is None
