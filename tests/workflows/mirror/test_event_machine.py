"""Whatever happens in Stripe, and whatever becomes of its events: in the end the mirror is as Stripe."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given

from billing.mirror.reconciliation import ReconcileInput
from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn
from workflows.core import ids

from ...support.drawn import always, drawn, patience
from ...support.house import House, house, time_skipping
from .event_checks import check
from .event_machine import Scene
from .event_steps import ALWAYS, Step, steps

FEW = 4
"""Scenarios that are drawn beside those that are always played."""
FEW_SIDE_BY_SIDE = 1

BY_SCHEDULE: tuple[ReconcileInput, ...] = ()
"""What the hourly run is given: it compares what is new, and a piece of everything."""

pytestmark = [pytest.mark.slow, patience(FEW)]


@pytest.fixture
async def home(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    """The house that all scenarios are played in; its Stripe posts its events to it."""
    async with (
        time_skipping() as environment,
        house(environment, database, stand_in) as built,
        built.told_by_stripe(),
    ):
        yield built


@drawn(FEW)
@always(*ALWAYS)
@given(scenario=steps)
async def test_in_the_end_the_mirror_is_as_stripe_and_nobody_waits(home: House, scenario: list[Step]) -> None:
    await play(home, scenario)


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
@drawn(FEW_SIDE_BY_SIDE)
@always(*ALWAYS[:2])
@given(scenario=steps)
async def test_it_is_so_where_transactions_run_side_by_side(home: House, scenario: list[Step]) -> None:
    await play(home, scenario)


async def play(home: House, scenario: list[Step]) -> None:
    """As an organization of its own, in a Stripe of its own, until all is told; then all is compared."""
    scene = await Scene.begin(home)
    try:
        for step in scenario:
            await scene.play(step)
        await scene.come_to_rest()
        await check(scene)
        for asked in BY_SCHEDULE, BY_SCHEDULE, (ReconcileInput(),):
            await home.run(ids.RECONCILE, *asked)
            await check(scene)
    except BaseException as failure:
        failure.add_note(repr(scenario))
        raise
    finally:
        home.stand_in.webhooks(mode="drop")
        await scene.operations.end()
