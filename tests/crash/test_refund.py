"""Whoever kills the worker, whatever Stripe does meanwhile: one refund, followed to its end, and noted."""

import pytest

from .plan import Kill, Scenario, every_fault, fault, killed_everywhere, request
from .refund_workload import (
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
    """Straight through or approved; what pends is followed, what failed is tried once more or left noted."""
    straight = [*killed_everywhere(Refund.steps), *every_fault([CREATE]), *TOGETHER]
    failing = [*killed_everywhere(FailingRefund.after_failure), *every_fault([SECOND])]
    closed = [*killed_everywhere(ClosedRefund.at_the_end), *every_fault([NOTE])]
    cancelled = [*killed_everywhere(CancelledRefund.taking_back), *every_fault([CANCEL])]
    await play_all(
        theatre,
        [
            (Scenario(name="no event comes"), UntoldRefund()),
            *((one, Refund()) for one in straight),
            *((one, ApprovedRefund()) for one in killed_everywhere([*REVIEWED, *ISSUED])),
            *((one, PendingRefund()) for one in killed_everywhere(PendingRefund.waiting)),
            *((one, FailingRefund()) for one in failing),
            *((one, ClosedRefund()) for one in closed),
            *((one, CancelledRefund()) for one in cancelled),
        ],
    )
