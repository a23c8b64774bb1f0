"""What is read of Stripe on a day on which nothing happens, by all workers together."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from activities.mirror.event_catch_up import EventCatchUp
from activities.mirror.reconciliations import Reconciliations
from activities.stripe import permissions as stripe_permissions
from activities.stripe.client import stripe_client
from activities.stripe.permissions import KEPT_FOR, KeyPermissions
from billing.mirror.reconciliation import ReconcileInput
from billing.stripe.events import CatchUpPage
from db.incidents import turns
from db.stripe import events as stripe_events
from worker import composition
from worker.schedules import HOUR, MINUTE, SCHEDULES
from workflows.core import ids

from ...support import money
from ...support.house import House

RUNNING = Path(__file__).parents[3] / "docs/operating/running.md"
READS = 330
"""A day: Stripe allows 10,000 in thirty, whatever happens."""
WORKERS = 3
NO_READS = {ids.REMINDER_SWEEP}
"""What else runs by the clock: it has no client of Stripe's."""


@dataclass
class Clock:
    at: datetime

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(datetime.now(UTC))
    monkeypatch.setattr(composition, "Reconciliations", partial(Reconciliations, clock=clock))
    monkeypatch.setattr(stripe_permissions, "monotonic", lambda: clock.at.timestamp())
    return clock


async def catch_up(home: House, clock: Clock) -> None:
    """As a worker has it done when it is due, at the test's time."""
    async with home.database.reading() as session:
        due = await stripe_events.due(session, clock())
    if due:
        done = await EventCatchUp(home.shop.client, home.database).catch_up_events(CatchUpPage(at=clock()))
        assert done.next is None


async def test_an_account_in_which_nothing_happens_is_read_330_times_a_day(home: House, clock: Clock) -> None:
    acme = await home.shop.tenant(home.database)
    customer = await money.customer(home.shop, acme)
    await money.payment_of(home.shop, await money.invoice(home.shop, customer, 5000, paid=True))
    await home.catch_up()
    await home.settled()
    await home.run(ids.RECONCILE, ReconcileInput())
    workers = [
        KeyPermissions(partial(turns.take, home.database, "key_permissions", KEPT_FOR, clock))
        for _ in range(WORKERS)
    ]
    key = stripe_client("sk_test_plixo", home.stand_in.url)
    for worker in workers:
        await worker.probe(key)
    timed = [one for one in SCHEDULES if one.workflow not in NO_READS]
    assert {one.workflow for one in timed} == {ids.RECONCILE}
    clock.at = datetime.now(UTC) + HOUR  # what happened is over
    line = home.stand_in.last_request()

    read: dict[str, int] = {}
    for minute in range(24 * 60):
        clock.at += MINUTE
        await catch_up(home, clock)
        for one in timed:
            if timedelta(minutes=minute) % one.every == timedelta():
                await home.run(one.workflow)
        if minute % 10 == 0:
            for worker in workers:
                assert await worker.probe(key) is None
        if minute % 60 == 0:
            assert home.watch is not None
            await home.watch.look()
            asked = home.stand_in.requests(line)
            for request in asked:
                if request["method"] == "GET":
                    read[request["path"]] = read.get(request["path"], 0) + 1
            line = max([line, *(request["seq"] for request in asked)])

    assert 96 <= read["/v1/events"] <= 130, read
    for_news = sum(count for path, count in read.items() if path.count("/") == 2 and path != "/v1/events")
    assert f"{for_news} for what is new" in RUNNING.read_text(), read
    assert sum(read.values()) <= READS, read
    assert sum(read.values()) <= READS * 0.7, "the rest is for a rolling comparison of 60,000 objects"
