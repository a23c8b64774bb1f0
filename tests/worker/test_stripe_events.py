"""How a worker follows what Stripe has told: each object alone, and none behind one that fails."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlmodel import col, select
from temporalio.exceptions import ApplicationError

from activities.mirror.bills import Bills
from activities.mirror.events import StripeEvents
from activities.stripe.failures import UNPERMITTED
from activities.stripe.requests import FOLLOWER, stripe_request
from db.core.session import Database
from db.mirror import renewals
from db.mirror.renewals import ClaimedRenewal
from db.stripe import event_turns
from db.stripe import events as stripe_events
from db.stripe.event_turns import EventTurn
from db.stripe.events import ArrivedEvent
from db.tables import Organization, StripeEvent
from worker import listening
from worker import stripe_events as loop
from worker.stripe_events import EventSweep

from ..support.builders import NOW, tenant
from ..support.house import running, until

AWAY = ApplicationError("Stripe is away.", type="stripe_unreachable")
"""As `activities.stripe` translates it."""


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Stripe:
    """Settles what it is asked to follow, unless `fails` says with what; `slow` waits to be let go."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.read: list[tuple[str, int]] = []
        """Each object that was read, with how many events that settled."""
        self.fails: dict[str, Exception] = {}
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.at_once: Counter[str] = Counter()
        self.together = self.most = 0
        self.slow: asyncio.Event | None = None
        self.renewals: list[str] = []
        self.asked_as: set[tuple[int, str | None]] = set()

    async def follow(self, turn: EventTurn) -> None:
        self.at_once[turn.object] += 1
        self.together += 1
        self.most = max(self.most, self.together)
        assert self.at_once[turn.object] == 1, "an object is followed twice at once"
        try:
            await self._follow(turn)
        finally:
            self.at_once[turn.object] -= 1
            self.together -= 1

    async def _follow(self, turn: EventTurn) -> None:
        request = stripe_request("GET", f"/v1/refunds/{turn.object}", None)
        self.asked_as.add((request.priority, request.workflow))
        await asyncio.sleep(0)
        if self.slow is not None:
            await self.slow.wait()
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if turn.object in self.fails:
            raise self.fails[turn.object]
        self.read.append((turn.object, len(turn.ids)))
        async with self.database.transaction() as session:
            await event_turns.settle(session, turn, "done", NOW)

    async def mirror_renewal(self, claimed: ClaimedRenewal) -> None:
        self.renewals.append(claimed.organization.id)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if claimed.organization.id in self.fails:
            raise self.fails[claimed.organization.id]
        async with self.database.transaction() as session:
            await renewals.settle(session, claimed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stripe(database: Database) -> Stripe:
    return Stripe(database)


def sweep_of(stripe: Stripe, clock: Clock, places: int = 4, database: Database | None = None) -> EventSweep:
    database = database or stripe.database
    return EventSweep(database, cast(StripeEvents, stripe), cast(Bills, stripe), places, clock)


async def tell(database: Database, *objects: str, at: datetime = NOW, event: str = "") -> None:
    """An event for each, of a refund."""
    events = [
        ArrivedEvent(f"evt_{event}{number}_{id_}", "refund.updated", id_, False, created_at=at, at=at)
        for number, id_ in enumerate(objects)
    ]
    async with database.transaction() as session:
        await stripe_events.keep(session, events)


async def events_of(database: Database, object_: str) -> list[StripeEvent]:
    async with database.reading() as session:
        found = select(StripeEvent).where(StripeEvent.object_id == object_).order_by(col(StripeEvent.id))
        return list(await session.exec(found))


async def states(database: Database, object_: str) -> list[str]:
    return [event.state for event in await events_of(database, object_)]


async def test_one_reading_settles_all_events_of_an_object(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    await tell(database, "re_1", "re_2", "re_1", "re_1")
    await sweep_of(stripe, clock).sweep()
    assert sorted(stripe.read) == [("re_1", 3), ("re_2", 1)]
    assert stripe.asked_as == {(2, FOLLOWER)}, "behind what people wait for, and held with everything else"


async def test_what_arrives_while_an_object_is_followed_is_followed_afterwards(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    await tell(database, "re_1")
    stripe.meanwhile = lambda: tell(database, "re_1", "re_1", event="later")
    await sweep_of(stripe, clock).sweep()
    assert stripe.read == [("re_1", 1), ("re_1", 2)]


async def test_two_workers_follow_each_object_one_after_the_other(
    database: Database, stripe: Stripe, clock: Clock, database_url: str
) -> None:
    other = Database(database_url)
    sweeps = [sweep_of(stripe, clock), sweep_of(stripe, clock, database=other)]
    for burst in range(5):
        await tell(database, *(f"re_{number % 7}" for number in range(20)), event=f"burst{burst}")
        await asyncio.gather(*(sweep.sweep() for sweep in sweeps))
    await other.dispose()
    assert {state for number in range(7) for state in await states(database, f"re_{number}")} == {"done"}


async def test_no_more_are_followed_at_a_time_than_there_are_places(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    await tell(database, *(f"re_{number}" for number in range(20)))
    await sweep_of(stripe, clock, places=3).sweep()
    assert (len(stripe.read), stripe.most) == (20, 3)


async def test_what_a_killed_worker_was_following_another_one_follows(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    await tell(database, "re_1")
    async with database.transaction() as session:
        assert await event_turns.claim(session, NOW, 1)
    await sweep_of(stripe, clock).sweep()
    assert stripe.read == []
    clock.now += event_turns.CLAIM
    await sweep_of(stripe, clock).sweep()
    assert stripe.read == [("re_1", 1)]


async def test_a_worker_keeps_what_takes_it_long(
    database: Database, stripe: Stripe, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOK_EVERY", 0.01)
    stripe.slow = asyncio.Event()
    await tell(database, "re_1")
    async with running(sweep_of(stripe, clock).run()):
        for _ in range(10):
            claimed = clock.now + event_turns.CLAIM

            async def is_claimed(until: datetime = claimed) -> bool:
                [event] = await events_of(database, "re_1")
                return event.claimed_until == until

            await until(is_claimed, lambda: "the claim is not renewed")
            await sweep_of(stripe, clock).sweep()
            clock.now += event_turns.CLAIM / 2
        stripe.slow.set()

        async def is_done() -> bool:
            return await states(database, "re_1") == ["done"]

        await until(is_done, lambda: "it is not followed")


async def test_what_is_wrong_with_one_object_stops_no_other_and_is_set_aside(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    stripe.fails["re_bug"] = KeyError("currency")
    stripe.fails["re_refused"] = ApplicationError("No.", type="account_invalid", non_retryable=True)
    await tell(database, "re_bug", "re_refused", "re_1")
    sweep = sweep_of(stripe, clock)
    await sweep.sweep()
    assert stripe.read == [("re_1", 1)]
    assert (await states(database, "re_bug"), await states(database, "re_refused")) == (
        ["pending"],
        ["set_aside"],
    )
    for _ in range(10):
        clock.now += timedelta(seconds=31)
        await sweep.sweep()
    [event] = await events_of(database, "re_bug")
    assert (event.state, (event.error or "").split()[0]) == ("set_aside", "KeyError")
    assert event.claimed_until is None

    stripe.fails.clear()
    await tell(database, "re_bug", at=clock.now, event="later")
    await sweep.sweep()
    assert await states(database, "re_bug") == ["done", "done"]


async def test_while_stripe_is_away_no_event_is_at_fault_and_the_loop_pauses(
    database: Database, stripe: Stripe, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(loop, "GATHER", 0.0)
    objects = [f"re_{number:02}" for number in range(40)]
    for one in objects:
        stripe.fails[one] = AWAY
    await tell(database, *objects)
    async with running(sweep_of(stripe, clock, places=4).run()):
        await asyncio.sleep(0.3)
        tried = {
            event.id for one in objects for event in await events_of(database, one) if event.again_at != NOW
        }
        assert 1 <= len(tried) <= 8
        stripe.fails.clear()
        clock.now += timedelta(seconds=40)

        async def all_done() -> bool:
            return {state for one in objects for state in await states(database, one)} == {"done"}

        await until(all_done, lambda: "it does not go on")
    found = [event for one in objects for event in await events_of(database, one)]
    assert {(event.tries, event.error) for event in found} == {(0, None)}


async def test_a_permission_that_is_missing_stops_only_what_needs_it(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    stripe.fails["re_1"] = ApplicationError("No.", type=UNPERMITTED, next_retry_delay=timedelta(seconds=30))
    sweep = sweep_of(stripe, clock)
    await tell(database, "re_1")
    await sweep.sweep()
    assert sweep._paused_until == 0.0
    [event] = await events_of(database, "re_1")
    assert (event.state, event.tries, event.again_at) == ("pending", 0, NOW + timedelta(seconds=30))


async def test_it_waits_as_long_as_stripe_asks_for_and_longer_the_longer_it_has_waited(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    stripe.fails["re_1"] = AWAY
    asked = timedelta(minutes=5)
    stripe.fails["re_2"] = ApplicationError("Later.", type="rate_limit", next_retry_delay=asked)
    sweep = sweep_of(stripe, clock)
    await tell(database, "re_1", "re_2")
    waits = []
    for _ in range(8):
        await sweep.sweep()
        [event] = await events_of(database, "re_1")
        assert event.again_at is not None
        waits.append((event.again_at - clock.now).total_seconds())
        clock.now = event.again_at
    assert waits == [0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    [event] = await events_of(database, "re_2")
    assert event.again_at == NOW + asked


# --- What an organization will be billed next -------------------------------------------------------------


async def change(database: Database, organization: str, at: datetime = NOW) -> None:
    async with database.transaction() as session:
        await renewals.changed(session, organization, at)


async def due(database: Database, organization: str) -> datetime | None:
    async with database.reading() as session:
        found = await session.exec(select(Organization.renewal_due_at).where(Organization.id == organization))
        return found.one()


async def test_the_next_invoice_is_read_once_for_all_that_has_changed(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    acme = (await tenant(database)).id
    for _ in range(3):
        await change(database, acme)
    await sweep_of(stripe, clock).sweep()
    assert (stripe.renewals, await due(database, acme)) == ([acme], None)


async def test_what_changes_while_it_is_read_makes_it_due_again(
    database: Database, stripe: Stripe, clock: Clock
) -> None:
    acme = (await tenant(database)).id
    await change(database, acme)
    stripe.meanwhile = lambda: change(database, acme)
    await sweep_of(stripe, clock).sweep()
    assert (stripe.renewals, await due(database, acme)) == ([acme, acme], None)


@pytest.mark.parametrize("how", ["killed", "Stripe is away", "a bug"])
async def test_a_next_invoice_that_was_not_read_is_read_later_unless_that_is_its_own_fault(
    database: Database, stripe: Stripe, clock: Clock, how: str
) -> None:
    acme = (await tenant(database)).id
    await change(database, acme)
    clock.now += renewals.AFTER
    if how == "killed":
        async with database.transaction() as session:
            assert await renewals.claim(session, clock.now, 1)
    else:
        stripe.fails[acme] = AWAY if how == "Stripe is away" else KeyError("lines")
        await sweep_of(stripe, clock).sweep()
        stripe.fails.clear()
    stripe.renewals.clear()
    await sweep_of(stripe, clock).sweep()
    assert stripe.renewals == []
    clock.now += renewals.CLAIM
    await sweep_of(stripe, clock).sweep()
    assert stripe.renewals == ([] if how == "a bug" else [acme])
    assert await due(database, acme) is None


# --- What PostgreSQL says ---------------------------------------------------------------------------------


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_an_event_is_heard_of_at_once_and_a_rush_is_not(
    database: Database, stripe: Stripe, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listens() -> bool:
        async with database.reading() as session:
            found = await session.exec(
                text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")  # type: ignore[call-overload]
            )
            return bool(found.scalar())

    clock.now += timedelta(minutes=1)
    async with running(sweep_of(stripe, clock).run()):
        await until(listens, lambda: "nobody listens")
        monkeypatch.setattr(listening, "LOOK_EVERY", 3600.0)
        await asyncio.sleep(1.2)  # the last short look is over
        rush: Any = ArrivedEvent(
            "evt_rush", "refund.updated", "re_rush", False, NOW, NOW, after=timedelta(seconds=3)
        )
        async with database.transaction() as session:
            await stripe_events.keep(session, [rush])
        await asyncio.sleep(0.3)
        assert stripe.read == []
        await tell(database, "re_1")

        async def both() -> bool:
            return len(stripe.read) == 2

        await until(both, lambda: f"only {stripe.read}")
