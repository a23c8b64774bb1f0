"""Stripe's events: each there once, settled once."""

import asyncio
from datetime import timedelta
from typing import Literal

import pytest
from sqlalchemy.exc import IntegrityError

from db import stripe_events
from db.session import Database
from db.tables import StripeEvent
from tests.builders import NOW, store
from tests.money_rows import an_event

LATER = NOW + timedelta(seconds=2)


async def record(database: Database, event: StripeEvent) -> bool:
    async with database.transaction() as session:
        return await stripe_events.record(session, event)


async def settle(database: Database, event: StripeEvent, state: Literal["done", "ignored"]) -> None:
    async with database.transaction() as session:
        await stripe_events.settle(session, event.id, state, LATER)


async def kept(database: Database, event: StripeEvent) -> StripeEvent | None:
    async with database.reading() as session:
        return await session.get(StripeEvent, event.id)


async def test_an_event_that_comes_again_is_not_new(database: Database) -> None:
    event = an_event()
    again = an_event(id=event.id, received_at=LATER)

    assert [await record(database, event), await record(database, again)] == [True, False]

    stored = await kept(database, event)
    assert stored is not None
    assert (stored.state, stored.received_at, stored.settled_at) == ("pending", NOW, None)


async def test_of_the_same_event_at_the_same_moment_one_is_new(database: Database, database_url: str) -> None:
    event = an_event()
    other = Database(database_url)  # connections of its own, like another process

    new = await asyncio.gather(*(record((database, other)[n % 2], an_event(id=event.id)) for n in range(10)))
    await other.dispose()

    assert sorted(new) == [False] * 9 + [True]


async def test_the_first_to_settle_an_event_stays(database: Database) -> None:
    event = an_event()
    await record(database, event)

    await settle(database, event, "done")
    await settle(database, event, "ignored")

    stored = await kept(database, event)
    assert stored is not None
    assert (stored.state, stored.settled_at) == ("done", LATER)


async def test_an_event_is_in_no_other_state(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await store(database, an_event(state="lost"))
