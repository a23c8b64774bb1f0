"""An organization, the plans and its usage in one query, as the three would be read apart."""

import pytest

from billing.plan_changes.limits import Usage
from billing.plan_changes.plans import Plan, PlanLimits, Price
from db.core.session import Database
from db.mirror import mirror, subscription_usage

from ...support.builders import NOW, a_customer, an_invoice, an_organization, store, tenant

HELD = {"plan": "starter", "seats": 10, "interval": "month", "currency": "usd"}


def _plan(slug: str) -> Plan:
    price = Price(id=f"price_{slug}", interval="month", unit_amount=1000, currency="usd")
    return Plan(
        plan=slug,
        name=slug.title(),
        product=f"prod_{slug}",
        seats_included=5,
        limits=PlanLimits(),
        prices=(price,),
    )


async def test_it_is_what_the_three_queries_say(database: Database) -> None:
    acme = await tenant(database, subscription=HELD)
    other = await tenant(database, subscription=HELD)
    customer, theirs = a_customer(acme.id), a_customer(other.id)
    await store(
        database,
        customer,
        theirs,
        a_customer(acme.id, deleted=True),
        an_invoice(customer, total=700),
        an_invoice(customer, total=900, currency="eur"),
        an_invoice(customer, total=1000, status="paid"),
        an_invoice(theirs, total=5000),
    )
    async with database.transaction() as session:
        for slug in ("starter", "growth"):
            await mirror.store_plan(session, _plan(slug), synced_at=NOW)
    async with database.reading() as session:
        found = await subscription_usage.read(session, acme.id)
        assert found.organization.id == acme.id
        assert found.plans == await mirror.plans(session) == [_plan("growth"), _plan("starter")]
        assert found.usage == Usage(seats=5, customers=1, ar_balance=700, currency="usd")
        assert found.usage == await subscription_usage.usage(session, acme.id, "usd")


async def test_before_stripe_was_read_there_are_no_plans_and_no_usage(database: Database) -> None:
    new = an_organization()
    await store(database, new)
    async with database.reading() as session:
        found = await subscription_usage.read(session, new.id)
    assert (found.organization.id, found.plans, found.usage) == (new.id, [], None)


async def test_an_unknown_organization_has_no_standing(database: Database) -> None:
    async with database.reading() as session:
        with pytest.raises(LookupError, match="org_none"):
            await subscription_usage.read(session, "org_none")
