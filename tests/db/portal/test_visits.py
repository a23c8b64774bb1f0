"""Visits to the mini-portal: kept, counted, and counted one after the other."""

import asyncio
from datetime import timedelta

from sqlmodel import select

from db.core.session import Database
from db.portal import visits
from db.tables import PortalAccess, PortalLink

from ...support.builders import NOW, a_customer, an_invoice, store, tenant
from ...support.portal_rows import a_link

MINUTE = timedelta(minutes=1)
HERE = "192.0.2.7"


async def links(database: Database, number: int = 1) -> list[PortalLink]:
    acme = await tenant(database)
    customer = a_customer(acme.id)
    invoices = [an_invoice(customer) for _ in range(number)]
    made = [a_link(invoice) for invoice in invoices]
    await store(database, customer, *invoices, *made)
    return made


async def visited(
    database: Database, link: PortalLink, *outcomes: str, address: str = HERE, after: timedelta = 0 * MINUTE
) -> None:
    async with database.transaction() as session:
        for outcome in outcomes:
            await visits.note(session, link=link, at=NOW + after, address=address, outcome=outcome)


async def test_a_visit_is_kept_with_a_cut_and_cleaned_agent(database: Database) -> None:
    [link] = await links(database)
    async with database.transaction() as session:
        kept = await visits.note(
            session, link=link, at=NOW, address=HERE, outcome="opened", agent="A\x00\n" + "b" * 300
        )
    async with database.reading() as session:
        assert list(await session.exec(select(PortalAccess))) == [kept]
    assert kept.agent == "A " + "b" * 198
    assert (kept.organization_id, kept.customer_id) == (link.organization_id, link.customer_id)


async def test_failures_are_those_that_the_customer_can_do_nothing_about(database: Database) -> None:
    one, another = await links(database, 2)
    await visited(database, one, "expired", after=-MINUTE)
    await visited(database, one, "expired", "revoked", "replaced", "blocked")
    await visited(database, one, "opened", "paying", "pdf", "opted_out", "unavailable", "asked", "limited")
    await visited(database, another, "expired")
    async with database.reading() as session:
        assert await visits.failures(session, one.id, NOW) == 4
        assert await visits.failures(session, one.id, NOW - MINUTE) == 5


async def test_asks_are_counted_by_address_and_known_by_invoice(database: Database) -> None:
    one, another = await links(database, 2)
    await visited(database, one, "asked", "limited", "expired")
    await visited(database, another, "asked", after=MINUTE)
    await visited(database, another, "asked", address="192.0.2.8")
    async with database.reading() as session:
        assert await visits.asks(session, address=HERE, since=NOW) == 2
        assert await visits.asks(session, address=HERE, since=NOW + MINUTE) == 1
        assert await visits.asked_since(session, one.invoice_id, NOW)
        assert not await visits.asked_since(session, one.invoice_id, NOW + MINUTE)


async def test_of_many_at_once_no_more_than_the_limit_get_through(database: Database) -> None:
    [link] = await links(database)

    async def ask() -> bool:
        async with database.transaction() as session:
            await visits.lock_address(session, HERE)
            if await visits.asks(session, address=HERE, since=NOW) >= 3:
                return False
            await visits.note(session, link=link, at=NOW, address=HERE, outcome="asked")
            return True

    assert sum(await asyncio.gather(*(ask() for _ in range(8)))) == 3
