"""A plan change of whatever is on a subscription, paid for however it is: verified to the cent, or refused.

Which of these it is, and by which code, is foretold of each case.

The product's own workflow runs against the stand-in over HTTP; what is Temporal's and the records' part is
answered by the test. Each case is looked at before, after and at the renewal, field by field.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from itertools import combinations

import pytest

from activities.mirror import pages as mirror_pages
from activities.plan_changes.reads import StripeReads
from billing.plan_changes.subject import PlanChangeRequest
from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ....support.case_rules import case_rules
from ....support.databases import SqliteDatabases
from ....support.house import default_policy
from ....support.shop import DAY, open_shop
from . import verdicts
from .cases import ALL, SHARDS, TRIED, Case, shard, tried
from .market import Market
from .stories import Stories

DECIDED_AFTER = 3 * 3600
"""Seconds between what people are shown and what is done: each of them would change a proration."""


def wanted(case: Case) -> PlanChangeRequest:
    """What somebody asks for."""
    return PlanChangeRequest(
        plan={"up": "growth", "down": "starter", "interval": "starter"}[case.to],
        interval="year" if case.to == "interval" else None,
        effective="period_end" if case.when == "period_end" else "now",
        invoicing="next_invoice" if case.when == "next_invoice" else "immediately",
        reason="We have grown.",
    )


@pytest.fixture
async def market(sqlite_databases: SqliteDatabases) -> AsyncIterator[tuple[Market, Stories]]:
    """An empty market in April, when time stands still."""
    async with sqlite_databases.fresh() as url:
        database = Database(url)
        with StandIn(check=False) as stand_in:
            shop = await open_shop(stand_in)
            stand_in.control("clock", {"advance_seconds": 0, "frozen": True})
            await mirror_pages.catalog(shop.access(database))
            built = Market(shop)
            await built.stock()
            reads = StripeReads(shop.client, database, case_rules())
            yield built, Stories(shop.client, reads, default_policy())
        await database.dispose()


def test_every_two_values_are_tried_together() -> None:
    cases = tried()
    assert len(set(cases)) == len(cases) == TRIED
    assert sorted(case.id for number in range(SHARDS) for case in shard(number)) == sorted(
        case.id for case in cases
    )
    pairs = {pair for case in cases for pair in combinations(asdict(case).items(), 2)}
    assert pairs == {pair for case in ALL for pair in combinations(asdict(case).items(), 2)}


@pytest.mark.parametrize("number", range(SHARDS))
async def test_it_is_verified_to_the_cent_or_refused_and_nothing_else_changes(
    market: tuple[Market, Stories], number: int
) -> None:
    goods, stories = market
    cases = shard(number)
    subscribed = {case: await goods.subscribe(case) for case in cases}
    stories.now = await asyncio.to_thread(goods.shop.stand_in.advance, 15 * DAY)
    before = await goods.see()
    with stories.temporal.running():
        told = {case: stories.begin(case.id, subscribed[case], wanted(case)) for case in cases}
        await stories.temporal.settled()
        stories.now = await asyncio.to_thread(goods.shop.stand_in.advance, DECIDED_AFTER)
        stories.agree()
        await stories.temporal.settled()
        after = await goods.see()
        wrong = [
            f"{case.id}: {what}"
            for case, story in told.items()
            for what in verdicts.at_once(case, story, before[subscribed[case]], after[subscribed[case]])
        ]
        for story in told.values():
            story.at_once = story.over or story.stage == "payment_under_way"
        stories.now = await asyncio.to_thread(goods.shop.stand_in.advance, 16 * DAY)
        stories.tell()
        await stories.temporal.settled()
        renewed = await goods.see()
        for case, story in told.items():
            seen = (one[subscribed[case]] for one in (before, after, renewed))
            wrong += [f"{case.id}: {what}" for what in verdicts.afterwards(case, story, *seen)]
            if story.ending != case.expected:
                wrong.append(f"{case.id}: {case.expected} expected, but {story.ending}")
        await stories.over()
    assert wrong == []
