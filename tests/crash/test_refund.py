"""Whoever kills the worker, whatever Stripe does meanwhile: one refund, followed to its end, and noted."""

import pytest

from .plan import Kill, Scenario, every_fault, fault, killed_everywhere, request
from .refund_story import (
    CREATE,
    EFFECT,
    ISSUED,
    REVIEWED,
    ApprovedRefund,
    CancelledRefund,
    ClosedRefund,
    FailingRefund,
    PendingRefund,
    Refund,
    UntoldRefund,
)
from .stage import Stage, play_all

# Many scenarios make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

SECOND = next(step for step in FailingRefund.after_failure if step.name == "the second refund")
NOTE = next(step for step in ClosedRefund.at_the_end if step.name == "the note in Stripe")
CANCEL = next(step for step in CancelledRefund.taking_back if step.name == "the cancellation")
LOOK_FOR_IT = request("the search for the refund", "GET", "/v1/refunds")

TOGETHER = [
    Scenario(
        name="killed while Stripe is late with the refund",
        kills=(Kill(point="during request", match=CREATE.match),),
        faults=(fault("delay", CREATE, delay_ms=1500),),
    ),
    Scenario(
        name="killed three times around the refund",
        kills=(
            Kill(point="before request", match=CREATE.match),
            Kill(point="after request", match=CREATE.match),
            Kill(point="before commit", match=EFFECT.match),
        ),
    ),
    Scenario(
        name="killed after an answer that was dropped, while it is looked for",
        kills=(Kill(point="after request", match=LOOK_FOR_IT.match),),
        faults=(fault("drop_after", CREATE),),
    ),
    Scenario(
        name="killed after a 500 that was executed, and again at the close",
        kills=(Kill(point="before commit", match=EFFECT.match),),
        faults=(fault("error_after", CREATE),),
    ),
]


async def test_a_refund_survives_every_kill_and_fault(theatre: Stage) -> None:
    scenarios = [*killed_everywhere(Refund.steps), *every_fault([CREATE]), *TOGETHER]
    await play_all(theatre, [(scenario, Refund()) for scenario in scenarios])


async def test_an_approved_refund_survives_every_kill(theatre: Stage) -> None:
    scenarios = killed_everywhere([*REVIEWED, *ISSUED])
    await play_all(theatre, [(scenario, ApprovedRefund()) for scenario in scenarios])


async def test_a_refund_that_takes_its_time_or_fails_survives_every_kill_and_fault(theatre: Stage) -> None:
    """What pends is followed, what failed is tried again exactly once, or left with its note."""
    undisturbed = Scenario(name="no event comes")
    await play_all(
        theatre,
        [
            (undisturbed, UntoldRefund()),
            *((one, PendingRefund()) for one in killed_everywhere(PendingRefund.waiting)),
            *((one, FailingRefund()) for one in killed_everywhere(FailingRefund.after_failure)),
            *((one, FailingRefund()) for one in every_fault([SECOND])),
            *((one, ClosedRefund()) for one in killed_everywhere(ClosedRefund.at_the_end)),
            *((one, ClosedRefund()) for one in every_fault([NOTE])),
            *((one, CancelledRefund()) for one in killed_everywhere(CancelledRefund.taking_back)),
            *((one, CancelledRefund()) for one in every_fault([CANCEL])),
        ],
    )
