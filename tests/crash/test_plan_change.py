"""Whoever kills the worker, whatever Stripe does meanwhile: one change, verified, by no hand."""

import pytest

from .plan import AT_COMMITS, ApiDeath, Kill, Scenario, every_fault, fault, killed_everywhere
from .plan_change_workload import (
    EFFECT,
    SUBSCRIPTION,
    UPDATE,
    ChangeAtPeriodEnd,
    ChangeNow,
    ChangeOfWhichFinanceIsTold,
    ChangeTakenBack,
    ChangeThatReplaces,
    ChangeThatWaits,
)
from .stage import Stage, play_all

# Many scenarios make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

TOGETHER = [
    Scenario(
        name="killed while Stripe is late with the change",
        kills=(Kill(point="during request", match=UPDATE.match),),
        faults=(fault("delay", UPDATE, delay_ms=1500),),
    ),
    Scenario(
        name="killed after an answer that was dropped",
        kills=(Kill(point="before request", match=f"GET .*{SUBSCRIPTION}", nth=3),),
        faults=(fault("drop_after", UPDATE),),
    ),
    Scenario(
        name="killed three times around the change",
        kills=(
            Kill(point="before request", match=UPDATE.match),
            Kill(point="after request", match=UPDATE.match),
            Kill(point="before commit", match=EFFECT.match),
        ),
    ),
    Scenario(
        name="killed after a 500 that was executed, and again at the close",
        kills=(Kill(point="before commit", match=EFFECT.match),),
        faults=(fault("error_after", UPDATE),),
    ),
]


async def test_a_plan_change_survives_every_kill_and_fault(theatre: Stage) -> None:
    now = [*killed_everywhere(ChangeNow.steps), *every_fault([UPDATE]), *TOGETHER]
    later = killed_everywhere(ChangeAtPeriodEnd.steps)
    instead = [*killed_everywhere(ChangeThatReplaces.steps), *every_fault([ChangeThatReplaces.steps[2]])]
    await play_all(
        theatre,
        [
            *((one, ChangeNow()) for one in now),
            *((one, ChangeAtPeriodEnd()) for one in later),
            *((one, ChangeThatReplaces()) for one in instead),
        ],
    )


async def test_a_notice_to_finance_survives_every_kill(theatre: Stage) -> None:
    """Of worker and API: it is there once, escalated once and acknowledged once."""
    dying = [
        Scenario(
            name=f"the API dies {point} of the acknowledgement",
            api=(ApiDeath(point=point, match="/acknowledge$"),),
        )
        for point in AT_COMMITS
    ]
    told = [*killed_everywhere(ChangeOfWhichFinanceIsTold.steps), *dying]
    await play_all(theatre, [(one, ChangeOfWhichFinanceIsTold()) for one in told])


async def test_a_change_that_waits_for_its_payment_survives_every_kill_and_fault(theatre: Stage) -> None:
    waiting = [*killed_everywhere(ChangeThatWaits.steps), *every_fault([UPDATE])]
    taken_back = killed_everywhere(ChangeTakenBack.steps)
    await play_all(
        theatre,
        [
            *((one, ChangeThatWaits()) for one in waiting),
            *((one, ChangeTakenBack()) for one in taken_back),
        ],
    )
