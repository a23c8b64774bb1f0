"""Money back whatever happens: stories drawn by hypothesis, played in a running house against Stripe."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from db.session import Database
from sandbox.stripe.inprocess import StandIn

from ..house import House, house, time_skipping
from .money_authority import POLICY, check_authority
from .money_checks import check
from .money_machine import Scene
from .money_rest import come_to_rest
from .money_steps import Story, stories
from .money_stories import ALWAYS, ENDS

MORE = os.environ.get("PLIXO_TEST_STORIES")
EXAMPLES = int(MORE or 30)
"""Stories that are played: the same ones each time, or as many others as the environment asks for."""

pytestmark = [
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
    pytest.mark.slow,
    pytest.mark.timeout(120 + 10 * EXAMPLES),
]


@dataclass(frozen=True)
class Played:
    """The house that all stories are played in, and where their operations have ended."""

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


def always(test: Any) -> Any:
    """Plays these stories beside those that are drawn."""
    for story in reversed(ALWAYS):
        test = example(story)(test)
    return test


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=MORE is None,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@always
@given(story=stories)
async def test_whatever_happens_money_goes_back_once_approved_and_accounted_for(
    played: Played, story: Story
) -> None:
    home = played.home
    home.stand_in.reset()
    scene = await Scene.begin(home, story)
    try:
        for step in story.steps:
            await scene.play(step)
        world = await come_to_rest(scene)
        await check(scene, story, world)
        check_authority(scene, world)
    except BaseException as failure:
        failure.add_note(scene.told(story))
        raise
    finally:
        home.stand_in.webhooks(mode="drop")
        await scene.operations.end()
    played.ends.update(f"{one.kind} {one.state}/{one.stage}" for one in world.operations.values())
    if story is ALWAYS[-1]:
        assert played.ends >= ENDS, ENDS - played.ends
