"""Stripe forgets an idempotency key after a day: what was sent before that is read back, and not repeated."""

import asyncio

import pytest

from db.operations import intents
from db.tables import Intent

from ..support.house import House
from .credit_workload import BALANCE, CREDIT_NOTE, BalanceCredit, CreditNote
from .credit_workload import EFFECT as CREDITED
from .plan import Kill
from .refund_workload import CREATE, Refund
from .refund_workload import EFFECT as REFUNDED
from .stage import PATIENCE, Stage

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]

LONGER_THAN_KEYS_LIVE = 25 * 3600


CASES = [
    (kind, Kill(point=point, match=step.match))
    for kind, create, effect in (
        (Refund, CREATE, REFUNDED),
        (BalanceCredit, BALANCE, CREDITED),
        (CreditNote, CREDIT_NOTE, CREDITED),
    )
    for point, step in (("after request", create), ("before commit", effect))
]


async def test_an_intent_older_than_stripes_keys_is_read_back_and_not_repeated(theatre: Stage) -> None:
    """For everything that gives money back, all at the same time: they only wait."""
    async with asyncio.TaskGroup() as group:
        for kind, kill in CASES:
            group.create_task(dead_for_a_day(theatre, kind(), kill), name=f"{kind.__name__} {kill.point}")


async def dead_for_a_day(theatre: Stage, workload: Refund | BalanceCredit, kill: Kill) -> None:
    """The worker dies between the call and the close, and lives again when Stripe has forgotten the key."""
    async with theatre.lane() as lane, asyncio.timeout(PATIENCE):
        await workload.prepare(lane.home)
        await lane.victim.plan([kill])
        lane.victim.rest_in_peace()
        acting = asyncio.create_task(workload.act(lane.home))
        await lane.victim.struck()
        waiting = await only_intent(lane.home, workload.operation)
        lane.home.stand_in.advance(LONGER_THAN_KEYS_LIVE)
        lane.victim.revive()
        await acting
        await workload.check(lane.home)
        closed = await only_intent(lane.home, workload.operation)
        assert (waiting.state, waiting.attempts) == ("open", 1), type(workload)
        assert (closed.state, closed.attempts, closed.read_back) == ("done", 2, True), type(workload)


async def only_intent(home: House, operation: str) -> Intent:
    async with home.database.reading() as session:
        (found,) = await intents.of_operation(session, operation)
    return found
