"""Money back whatever happens: scenarios drawn by hypothesis, played in a running house against Stripe."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import given

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ...support.drawn import always, drawn, patience
from ...support.house import House, house, time_skipping
from .machine import Scene
from .machine_authority import POLICY, check_authority
from .machine_checks import check
from .machine_rest import come_to_rest
from .machine_scenarios import ALWAYS, AT_THE_SAME_MOMENT, DECIDED, ENDS, SPLIT
from .machine_steps import Scenario, scenarios

FEW = 6
"""Scenarios that are drawn beside those that are always played."""
FEW_SIDE_BY_SIDE = 4

pytestmark = [pytest.mark.slow, patience(FEW)]


@dataclass(frozen=True)
class Played:
    """The house that all scenarios are played in, and where their operations have ended."""

    home: House
    ends: set[str]


@pytest.fixture
async def played(database: Database, stand_in: StandIn) -> AsyncIterator[Played]:
    """With small authorities; its Stripe posts its events to it."""
    async with (
        time_skipping() as environment,
        house(environment, database, stand_in, policy=POLICY) as home,
        home.told_by_stripe(),
    ):
        yield Played(home, set())


@drawn(FEW)
@always(*ALWAYS)
@given(scenario=scenarios)
async def test_whatever_happens_money_goes_back_once_approved_and_accounted_for(
    played: Played, scenario: Scenario
) -> None:
    await play(played, scenario)
    if scenario is ALWAYS[-1]:
        assert played.ends >= ENDS, ENDS - played.ends


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
@drawn(FEW_SIDE_BY_SIDE)
@always(SPLIT, AT_THE_SAME_MOMENT, DECIDED)
@given(scenario=scenarios)
async def test_it_does_so_where_transactions_run_side_by_side(played: Played, scenario: Scenario) -> None:
    await play(played, scenario)


async def play(played: Played, scenario: Scenario) -> None:
    """As an organization of its own, in a Stripe of its own, until everything is at rest."""
    home = played.home
    home.stand_in.reset()
    scene = await Scene.begin(home, scenario)
    try:
        for step in scenario.steps:
            await scene.play(step)
        world = await come_to_rest(scene)
        await check(scene, scenario, world)
        check_authority(scene, world)
    except BaseException as failure:
        failure.add_note(scene.told(scenario))
        raise
    finally:
        home.stand_in.webhooks(mode="drop")
        await scene.operations.end()
    played.ends.update(f"{one.kind} {one.state}/{one.stage}" for one in world.operations.values())
