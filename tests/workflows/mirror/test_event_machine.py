"""Whatever happens in Stripe, and whatever becomes of its events: in the end the mirror is as Stripe."""

import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn
from workflows.core import ids

from ...support.house import House, house, time_skipping
from .event_checks import check
from .event_machine import Scene
from .event_steps import ALWAYS, Step, steps

MORE = os.environ.get("PLIXO_TEST_EVENTS")
EXAMPLES = int(MORE or 8)
"""Scenarios that are drawn: the same ones each time, or as many others as the environment asks for."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 + 10 * EXAMPLES)]


def drawn(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=MORE is None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture
async def home(database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    """The house that all scenarios are played in; its Stripe posts its events to it."""
    async with (
        time_skipping() as environment,
        house(environment, database, stand_in) as built,
        built.told_by_stripe(),
    ):
        yield built


@drawn(EXAMPLES)
@example(scenario=ALWAYS[0])
@example(scenario=ALWAYS[1])
@example(scenario=ALWAYS[2])
@example(scenario=ALWAYS[3])
@given(scenario=steps)
async def test_in_the_end_the_mirror_is_as_stripe_and_nobody_waits(home: House, scenario: list[Step]) -> None:
    await play(home, scenario)


@pytest.mark.parametrize("databases", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
@drawn(2 if MORE is None else EXAMPLES)
@example(scenario=ALWAYS[0])
@example(scenario=ALWAYS[1])
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
        await home.run(ids.RECONCILE)
        await check(scene)
    except BaseException as failure:
        failure.add_note(repr(scenario))
        raise
    finally:
        home.stand_in.webhooks(mode="drop")
        await scene.operations.end()
