"""Nothing that is given away, in whatever way and however it is learnt of, gets past a window unseen."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
import stripe
from hypothesis import given

from activities.stripe.client import stripe_client
from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn

from ...support.databases import SqliteDatabases
from ...support.drawn import always, drawn, patience
from ...support.shop import Shop
from .adversary_checks import check
from .adversary_ours import ask, decide, issue
from .adversary_outside import in_stripe
from .adversary_scene import Scene
from .adversary_steps import ALWAYS, Ask, Bill, Compare, Decide, Events, InStripe, Issue, Step, steps

FEW = 200

pytestmark = [pytest.mark.slow, patience(FEW)]


@pytest.fixture(scope="module")
def adversary_shop() -> Iterator[Shop]:
    """A stand-in that is emptied before each scenario; nothing is for sale there."""
    with StandIn() as running:
        yield Shop(running, stripe_client("sk_test_plixo", running.url))
        assert running.violations() == []


@drawn(FEW)
@always(*ALWAYS)
@given(scenario=steps)
async def test_no_cent_gets_past_a_window_unseen(
    adversary_shop: Shop, sqlite_databases: SqliteDatabases, scenario: list[Step]
) -> None:
    async with sqlite_databases.fresh() as url:
        database = Database(url)
        try:
            scene = await Scene.begin(adversary_shop, database)
            for step in scenario:
                await play(scene, step)
            await scene.compare()
            await check(scene)
        except BaseException as failure:
            failure.add_note(repr(scenario))
            raise
        finally:
            await database.dispose()


async def play(scene: Scene, step: Step) -> None:
    match step:
        case Ask():
            await ask(scene, step)
        case Decide():
            await decide(scene, step)
        case Issue():
            await issue(scene, step)
        case InStripe():
            with suppress(stripe.InvalidRequestError):  # Stripe refuses it
                await in_stripe(scene, step)
        case Events():
            await scene.events(step)
        case Compare():
            await scene.compare()
        case Bill(paid, lines):
            await scene.bill(paid=paid, lines=lines)
