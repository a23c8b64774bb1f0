"""Whoever kills the worker, whatever Stripe does meanwhile: one end of the plan, or none."""

import pytest

from .cancellation_workload import EFFECT, INTENT, CancelNow, PlanTheEnd, TakeItBack
from .plan import every_fault, killed_everywhere
from .stage import Stage, play_all

# Many scenarios make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]


async def test_an_end_now_survives_every_kill_and_fault(theatre: Stage) -> None:
    scenarios = [*killed_everywhere(CancelNow.steps), *every_fault([CancelNow.call])]
    await play_all(theatre, [(one, CancelNow()) for one in scenarios])


async def test_a_planned_end_survives_every_kill_and_fault(theatre: Stage) -> None:
    scenarios = [*killed_everywhere(PlanTheEnd.steps), *every_fault([PlanTheEnd.call])]
    await play_all(theatre, [(one, PlanTheEnd()) for one in scenarios])


async def test_an_end_that_is_taken_back_survives_every_kill(theatre: Stage) -> None:
    around = killed_everywhere([INTENT, TakeItBack.call, EFFECT, *TakeItBack.steps[-2:]])
    await play_all(theatre, [(one, TakeItBack()) for one in around])
