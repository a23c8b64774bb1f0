"""Whoever kills the worker, whatever Stripe does meanwhile: a case is closed with its note, written once."""

import pytest

from .case_workload import DiscountOfCustomer, LostDispute
from .plan import every_fault, killed_everywhere
from .stage import Stage, play_all

# Many scenarios make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]


async def test_the_note_of_a_case_survives_every_kill_and_fault(theatre: Stage) -> None:
    """On a customer, who has a coupon, or on a charge, of which a dispute was lost."""
    await play_all(
        theatre,
        [
            (scenario, workload())
            for workload in (DiscountOfCustomer, LostDispute)
            for scenario in (*killed_everywhere(workload.steps), *every_fault(workload.steps[2:3]))
        ],
    )
