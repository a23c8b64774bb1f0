"""Money back whatever happens: scenarios drawn by hypothesis, played in a running house against Stripe."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ...support.house import House, house, time_skipping
from .machine import Scene
from .machine_authority import POLICY, check_authority
from .machine_checks import check
from .machine_rest import come_to_rest
from .machine_scenarios import ALWAYS, AT_THE_SAME_MOMENT, DECIDED, ENDS, SPLIT
from .machine_steps import Scenario, scenarios

Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])

MORE = os.environ.get("PLIXO_TEST_SCENARIOS")
EXAMPLES = int(MORE or 16)
"""Scenarios that are drawn: the same ones each time, or as many others as the environment asks for."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 + 10 * EXAMPLES)]

DRAWN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=MORE is None,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


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


def always(*told: Scenario) -> Callable[[Test], Test]:
    """Plays these scenarios before those that are drawn."""

    def decorated(test: Test) -> Test:
        for scenario in reversed(told):
            test = example(scenario)(test)
        return test

    return decorated


@DRAWN
@always(*ALWAYS)
@given(scenario=scenarios)
async def test_whatever_happens_money_goes_back_once_approved_and_accounted_for(
    played: Played, scenario: Scenario
) -> None:
    await play(played, scenario)
    if scenario is ALWAYS[-1]:
        assert played.ends >= ENDS, ENDS - played.ends


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
@DRAWN
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
