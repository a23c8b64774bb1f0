"""Stripe's events: each there once, settled once."""

import asyncio
from datetime import datetime, timedelta
from typing import Literal

import pytest
from sqlalchemy.exc import IntegrityError

from billing.stripe.events import FOLLOWED, FRESH, MAX_TRIES, QUIET, STUCK, next_try
from db.core.session import Database
from db.stripe import budget, event_turns
from db.stripe import events as stripe_events
from db.stripe.event_turns import EventTurn
from db.stripe.events import ArrivedEvent
from db.tables import StripeEvent, StripeEventCheck

from ...support.builders import NOW, an_operation, store, tenant
from ...support.money_rows import an_event

LATER = NOW + timedelta(seconds=2)


def arrived(event: StripeEvent) -> ArrivedEvent:
    return ArrivedEvent(
        id=event.id,
        type=event.type,
        object_id=event.object_id,
        livemode=event.livemode,
        created_at=event.created_at,
        at=event.received_at,
        missed=event.missed,
    )


async def keep(database: Database, *events: StripeEvent) -> list[bool]:
    """Of each, whether it was new."""
    async with database.transaction() as session:
        return [one.new for one in await stripe_events.keep(session, [*map(arrived, events)])]


async def record(database: Database, event: StripeEvent) -> bool:
    [new] = await keep(database, event)
    return new


async def checked(database: Database, until: datetime, at: datetime, missed: int = 0) -> None:
    async with database.transaction() as session:
        await stripe_events.checked(session, complete_until=until, at=at, missed=missed)


async def check(database: Database) -> StripeEventCheck:
    async with database.reading() as session:
        found = await stripe_events.check(session)
    assert found is not None
    return found


async def complete(database: Database, at: datetime, *objects: str) -> bool:
    async with database.reading() as session:
        return await stripe_events.complete(session, at, objects)


def turn(*events: StripeEvent) -> EventTurn:
    return EventTurn(FOLLOWED[events[0].type], events[0].object_id or "", events)


async def settle(database: Database, event: StripeEvent, state: Literal["done", "ignored"]) -> None:
    async with database.transaction() as session:
        await event_turns.settle(session, turn(event), state, LATER)


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


async def test_of_many_at_once_each_is_new_once(database: Database) -> None:
    known, ignored = an_event(), an_event(type="product.created")
    await record(database, known)
    fresh = [an_event() for _ in range(3)]

    again = an_event(id=fresh[0].id, received_at=LATER)
    new = await keep(database, fresh[2], fresh[0], known, again, ignored, fresh[1])

    assert new == [True, True, False, False, True, True]
    first = await kept(database, fresh[0])
    assert first is not None
    assert first.received_at == NOW


async def test_many_that_two_store_in_another_order_are_each_new_once(
    database: Database, database_url: str
) -> None:
    ids = [an_event().id for _ in range(20)]
    other = Database(database_url)  # connections of its own, like another process

    async def storing(number: int) -> list[bool]:
        order = ids if number % 2 else ids[::-1]
        return await keep((database, other)[number % 2], *(an_event(id=id_) for id_ in order))

    new = await asyncio.gather(*map(storing, range(8)))
    await other.dispose()

    assert sum(map(sum, new)) == len(ids)


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


async def test_one_that_nothing_follows_is_settled_when_it_is_kept(database: Database) -> None:
    missed, odd = an_event(missed=True), an_event(type="product.created", object_id=None)
    assert [await record(database, missed), await record(database, odd)] == [True, True]

    stored, ignored = await kept(database, missed), await kept(database, odd)
    assert stored is not None
    assert ignored is not None
    assert (stored.missed, stored.state, stored.again_at) == (True, "pending", NOW)
    assert (ignored.state, ignored.settled_at, ignored.again_at) == ("ignored", NOW, None)


async def test_what_a_check_knew_is_never_taken_back(database: Database) -> None:
    await checked(database, NOW, LATER, missed=3)
    await checked(database, LATER, NOW, missed=2)

    found = await check(database)
    assert (found.complete_until, found.checked_at, found.missed) == (LATER, LATER, 5)


async def test_stripe_is_asked_seldom_unless_something_has_happened(database: Database) -> None:
    async def due(after: timedelta) -> bool:
        async with database.reading() as session:
            return await stripe_events.due(session, NOW + after)

    assert await due(timedelta()), "never asked"
    await checked(database, NOW, NOW)
    a_minute = timedelta(minutes=1)
    assert not await due(a_minute)
    assert not await due(QUIET - a_minute)
    assert await due(QUIET)

    await record(database, an_event(type="product.created", object_id=None, received_at=NOW))
    assert await due(a_minute)
    later = NOW + timedelta(hours=1)
    await checked(database, NOW, later)
    assert not await due(later + a_minute - NOW)
    await store(database, an_operation(await tenant(database), updated_at=later))
    assert await due(later + a_minute - NOW)


async def test_all_is_known_while_stripe_is_asked_and_nothing_is_stuck(database: Database) -> None:
    assert not await complete(database, NOW)
    await checked(database, NOW - timedelta(days=1), NOW)
    assert await complete(database, NOW + FRESH)
    assert not await complete(database, NOW + FRESH + timedelta(seconds=1))

    event = an_event(received_at=NOW)
    await record(database, event)
    await checked(database, NOW, NOW + timedelta(seconds=1))
    await checked(database, NOW, NOW + STUCK)
    assert await complete(database, NOW + STUCK)
    assert not await complete(database, NOW + STUCK + timedelta(seconds=2))
    await settle(database, event, "done")
    assert await complete(database, NOW + STUCK + timedelta(seconds=2))


async def test_what_waits_behind_a_backlog_that_shrinks_is_no_reason_to_look(database: Database) -> None:
    """Whoever looked would only make it longer."""
    backlog = [an_event(received_at=NOW + timedelta(seconds=n)) for n in range(3)]
    for event in backlog:
        await record(database, event)
    later = NOW + timedelta(minutes=20)
    await checked(database, NOW, later)
    assert await complete(database, later + STUCK)
    assert not await complete(database, later + STUCK + timedelta(seconds=1))
    await settle(database, backlog[0], "done")
    await checked(database, NOW, later + STUCK)
    assert await complete(database, later + 2 * STUCK)
    await checked(database, NOW, later + 2 * STUCK)
    assert not await complete(database, later + 2 * STUCK + timedelta(seconds=1)), "it stands still"


async def test_an_event_of_another_object_is_no_reason_to_look_after_ones_own(database: Database) -> None:
    await record(database, an_event(object_id="re_other"))
    later = NOW + timedelta(minutes=20)
    await checked(database, NOW, NOW)
    await checked(database, NOW, later)
    assert not await complete(database, later)
    assert not await complete(database, later, "re_other")
    assert await complete(database, later, "re_mine")


async def test_nobody_looks_while_the_gate_before_stripe_is_shut(database: Database) -> None:
    assert not await complete(database, NOW)
    async with database.transaction() as session:
        await budget.close_gate(session, NOW)
    assert await complete(database, NOW)


async def claimed(database: Database, at: datetime) -> list[list[str]]:
    """The events of each turn that is due."""
    async with database.transaction() as session:
        return [one.ids for turns in await event_turns.claim(session, at, 10) for one in turns]


async def fail(database: Database, event: StripeEvent, at: datetime) -> StripeEvent:
    stored = await kept(database, event)
    assert stored is not None
    async with database.transaction() as session:
        await event_turns.failed(session, turn(stored), "KeyError", at)
    stored = await kept(database, event)
    assert stored is not None
    return stored


async def test_an_event_that_can_not_be_followed_is_set_aside_and_tried_less_and_less_often(
    database: Database,
) -> None:
    event = an_event(object_id="re_1")
    await record(database, event)
    at, rounds = NOW, 0
    for tries in range(1, MAX_TRIES):
        stored = await fail(database, event, at)
        assert (stored.state, stored.error, stored.tries) == ("pending", "KeyError", tries)
        assert stored.again_at == at + next_try(tries)
        at = stored.again_at
    while True:
        stored = await fail(database, event, at)
        assert (stored.state, stored.error) == ("set_aside", "KeyError")
        if stored.again_at is None:
            break
        rounds += 1
        assert await claimed(database, stored.again_at - timedelta(seconds=1)) == []
        assert await claimed(database, stored.again_at) == [[event.id]]
        at = stored.again_at
    assert timedelta(days=3) < at - NOW < timedelta(days=14)
    assert rounds <= 12
    await checked(database, NOW, at)
    assert await complete(database, at)
    assert not await complete(database, at, "re_1"), "its own workflow is not told"
    await settle(database, event, "done")
    assert await complete(database, at, "re_1")


async def test_what_was_set_aside_is_settled_by_a_later_event_of_its_object(database: Database) -> None:
    aside, other = an_event(object_id="re_1"), an_event(object_id="re_1", type="charge.refunded")
    for event in (aside, other):
        await record(database, event)
        async with database.transaction() as session:
            await event_turns.failed(session, turn(event), "refused", NOW, for_good=True)
    later = an_event(object_id="re_1", received_at=LATER)
    await record(database, later)
    assert await claimed(database, LATER) == [[later.id]]
    await settle(database, later, "done")
    states = [one.state for event in (aside, later, other) if (one := await kept(database, event))]
    assert states == ["done", "done", "set_aside"], "the other is of another kind of object"


async def test_an_object_is_claimed_with_all_of_its_events_and_by_one_alone(database: Database) -> None:
    first, second = an_event(object_id="re_1"), an_event(object_id="re_1")
    left = ArrivedEvent("evt_left", "refund.updated", "re_1", False, NOW, NOW, after=timedelta(seconds=3))
    await keep(database, first, second)
    async with database.transaction() as session:
        await stripe_events.keep(session, [left])
    [ids] = await claimed(database, NOW)
    assert sorted(ids) == sorted([first.id, second.id, left.id])

    newer = an_event(object_id="re_1", received_at=LATER)
    another = an_event(object_id="re_2", received_at=LATER)
    await keep(database, newer, another)
    assert await claimed(database, LATER) == [[another.id]]
    await settle(database, first, "done")
    assert await claimed(database, LATER) == [], "the others are still followed"
    for event in (second, an_event(id="evt_left", object_id="re_1")):
        await settle(database, event, "done")
    assert await claimed(database, LATER) == [[newer.id]]


async def test_a_claim_that_nobody_renews_runs_out(database: Database) -> None:
    event = an_event()
    await record(database, event)
    assert await claimed(database, NOW) == [[event.id]]
    before_its_end = NOW + event_turns.CLAIM - timedelta(seconds=1)
    assert await claimed(database, before_its_end) == []
    async with database.transaction() as session:
        await event_turns.renew(session, [event.id], before_its_end)
    assert await claimed(database, NOW + event_turns.CLAIM) == []
    assert await claimed(database, before_its_end + event_turns.CLAIM) == [[event.id]]


async def test_what_two_claim_at_the_same_moment_they_never_share(
    database: Database, database_url: str
) -> None:
    for number in range(60):
        await record(database, an_event(object_id=f"re_{number % 20}"))
    other = Database(database_url)  # connections of its own, like another process

    async def claims(number: int) -> list[str]:
        async with (database, other)[number % 2].transaction() as session:
            found = await event_turns.claim(session, NOW, 3)
        return [one.object for turns in found for one in turns]

    objects = [one for some in await asyncio.gather(*map(claims, range(10))) for one in some]
    await other.dispose()
    assert sorted(objects) == sorted(f"re_{number}" for number in range(20))


def test_an_event_is_set_aside_before_anybody_counts_it_as_stuck() -> None:
    assert sum((next_try(tries) for tries in range(1, MAX_TRIES)), timedelta()) < STUCK / 2
