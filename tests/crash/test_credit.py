"""Whoever kills the worker, whatever Stripe does meanwhile: one credit, as agreed, with its note."""

import pytest

from .credit_story import (
    BALANCE,
    CREDIT_NOTE,
    EFFECT,
    ApprovedBalanceCredit,
    ApprovedCreditNote,
    BalanceCredit,
    CreditNote,
)
from .plan import Kill, Scenario, Step, every_fault, fault, killed_everywhere
from .stage import Stage, play_all

# Many scenarios make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]


def together(create: Step) -> list[Scenario]:
    return [
        Scenario(
            name=f"killed while Stripe is late with {create.name}",
            kills=(Kill(point="during request", match=create.match),),
            faults=(fault("delay", create, delay_ms=1500),),
        ),
        Scenario(
            name=f"killed three times around {create.name}",
            kills=(
                Kill(point="before request", match=create.match),
                Kill(point="after request", match=create.match),
                Kill(point="before commit", match=EFFECT.match),
            ),
        ),
    ]


async def test_a_credit_on_the_balance_survives_every_kill_and_fault(theatre: Stage) -> None:
    straight = [*killed_everywhere(BalanceCredit.steps), *every_fault([BALANCE]), *together(BALANCE)]
    approved = killed_everywhere(ApprovedBalanceCredit.steps)
    await play_all(
        theatre,
        [
            *((one, BalanceCredit()) for one in straight),
            *((one, ApprovedBalanceCredit()) for one in approved),
        ],
    )


async def test_a_credit_note_survives_every_kill_and_fault(theatre: Stage) -> None:
    straight = [*killed_everywhere(CreditNote.steps), *every_fault([CREDIT_NOTE]), *together(CREDIT_NOTE)]
    approved = killed_everywhere(ApprovedCreditNote.steps)
    await play_all(
        theatre,
        [*((one, CreditNote()) for one in straight), *((one, ApprovedCreditNote()) for one in approved)],
    )
