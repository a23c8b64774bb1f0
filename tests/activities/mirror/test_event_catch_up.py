"""Stripe's events are asked for page by page: what is unknown is kept as if it had arrived, once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from activities.mirror import pages as mirror_pages
from activities.mirror.event_catch_up import EventCatchUp
from billing.stripe.events import CatchUpPage
from db.core.session import Database
from db.stripe import events as stripe_events
from db.tables import StripeEvent, StripeEventCheck

from ...support.builders import NOW
from ...support.shop import Shop


async def check(shop: Shop, database: Database, at: datetime = NOW) -> int:
    """A whole check; how many events it found."""
    activity, page = EventCatchUp(shop.client, database), CatchUpPage(at=at)
    while (done := await activity.catch_up_events(page)).next is not None:
        page = done.next
    return page.missed + done.missed


async def happens(shop: Shop, times: int, seconds: int = 0) -> list[str]:
    """So many customers, each an event that is followed; the clock moves before each."""
    made = []
    for _ in range(times):
        shop.stand_in.advance(seconds)
        made.append((await shop.client.v1.customers.create_async({"name": "New"})).id)
    return made


async def known(database: Database) -> StripeEventCheck | None:
    async with database.reading() as session:
        return await stripe_events.check(session)


async def kept(database: Database) -> list[StripeEvent]:
    async with database.reading() as session:
        return list(await session.exec(select(StripeEvent)))


async def test_what_is_unknown_is_kept_for_the_worker_to_follow(shop: Shop, database: Database) -> None:
    made = await happens(shop, 2)
    assert await check(shop, database) == 2

    events = await kept(database)
    assert {event.object_id for event in events} == set(made)
    assert {(event.type, event.state, event.missed, event.livemode) for event in events} == {
        ("customer.created", "pending", True, False)
    }
    assert all(event.again_at == event.received_at for event in events)


async def test_a_missed_event_says_of_a_customer_that_they_are_a_newcomer(
    shop: Shop, database: Database
) -> None:
    [customer] = await happens(shop, 1)
    for changes in ({"metadata": {"plixo_organization": "org_1"}}, {"name": "Theirs"}):
        await shop.client.v1.customers.update_async(customer, changes)  # type: ignore[arg-type]
    assert await check(shop, database) == 3
    told = [(event.type, event.newcomer) for event in await kept(database)]
    assert sorted(told) == [
        ("customer.created", False),
        ("customer.updated", False),
        ("customer.updated", True),
    ]


async def test_what_is_known_is_not_missed(shop: Shop, database: Database) -> None:
    await happens(shop, 3)
    [newest, *_] = (await shop.client.v1.events.list_async({"limit": 1})).data
    async with database.transaction() as session:
        arrived = stripe_events.ArrivedEvent(newest.id, newest.type, "cus_1", False, created_at=NOW, at=NOW)
        await stripe_events.keep(session, [arrived])
    assert await check(shop, database) == 2
    assert await check(shop, database) == 0
    assert {event.missed for event in await kept(database) if event.id == newest.id} == {False}


async def test_a_check_goes_on_where_the_last_one_was_by_stripes_own_clock(
    shop: Shop, database: Database
) -> None:
    await happens(shop, 1, seconds=2 * 3600)
    assert await check(shop, database, NOW) == 1
    first = await known(database)
    assert first is not None
    assert (first.complete_until, first.checked_at, first.missed) == (_time(shop), NOW, 1)

    line = shop.stand_in.last_request()
    later = NOW + timedelta(minutes=1)
    assert await check(shop, database, later) == 0
    quiet = await known(database)
    assert quiet is not None
    assert (quiet.complete_until, quiet.checked_at) == (first.complete_until, later)
    assert [asked["path"] for asked in shop.stand_in.requests(line)] == ["/v1/events"]

    await happens(shop, 2, seconds=60)
    assert await check(shop, database, later) == 2
    last = await known(database)
    assert last is not None
    assert (last.complete_until, last.missed) == (_time(shop), 3)


async def test_the_first_check_goes_an_hour_back(shop: Shop, database: Database) -> None:
    await happens(shop, 2)
    await happens(shop, 1, seconds=3601)
    await happens(shop, 1, seconds=1800)
    assert await check(shop, database) == 2


@pytest.mark.parametrize("first", [True, False])
async def test_pages_follow_each_other_to_the_last(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    monkeypatch.setattr(mirror_pages, "PAGE", 3)
    if not first:
        await happens(shop, 1)
        await check(shop, database)
    made = await happens(shop, 7, seconds=1)
    page = CatchUpPage(at=NOW)
    activity, pages = EventCatchUp(shop.client, database), 1
    while (done := await activity.catch_up_events(page)).next is not None:
        before = await known(database)
        assert before is None or before.complete_until < _time(shop)
        page, pages = done.next, pages + 1
        if pages == 2:
            await happens(shop, 1, seconds=1)  # is not on the pages of this check

    assert pages >= 3
    assert {event.object_id for event in await kept(database)} >= set(made)
    assert page.missed + done.missed == 7
    assert await check(shop, database) == 1


async def test_two_checks_at_once_find_everything_once(shop: Shop, database: Database) -> None:
    await happens(shop, 12)
    found = await asyncio.gather(*(check(shop, database) for _ in range(3)))
    assert sum(found) == len(await kept(database)) == 12
    after = await known(database)
    assert after is not None
    assert after.missed == 12


async def test_an_account_in_which_nothing_has_happened_tells_no_time(database: Database, shop: Shop) -> None:
    shop.stand_in.reset()
    assert await check(shop, database) == 0
    assert await known(database) is None


def _time(shop: Shop) -> datetime:
    return datetime.fromtimestamp(shop.stand_in.now(), UTC)
