"""Whoever kills the worker, whatever Stripe does meanwhile: one credit, as agreed, with its note."""

import pytest

from .credit_workload import (
    BALANCE,
    CREDIT_NOTE,
    EFFECT,
    INTENT,
    ApprovedBalanceCredit,
    ApprovedCreditNote,
    BalanceCredit,
    CreditNote,
    CreditNoteByLines,
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


async def test_a_credit_survives_every_kill_and_fault(theatre: Stage) -> None:
    """On the balance or by a credit note, straight through or approved."""
    on_balance = [*killed_everywhere(BalanceCredit.steps), *every_fault([BALANCE]), *together(BALANCE)]
    approved_balance = killed_everywhere([*ApprovedBalanceCredit.reviewed, INTENT, BALANCE, EFFECT])
    approved_note = killed_everywhere([*ApprovedCreditNote.reviewed, INTENT, CREDIT_NOTE, EFFECT])
    by_note = [*killed_everywhere(CreditNote.steps), *every_fault([CREDIT_NOTE]), *together(CREDIT_NOTE)]
    await play_all(
        theatre,
        [
            *((one, BalanceCredit()) for one in on_balance),
            *((one, ApprovedBalanceCredit()) for one in approved_balance),
            *((one, CreditNote()) for one in by_note),
            *((one, ApprovedCreditNote()) for one in approved_note),
        ],
    )


async def test_a_credit_of_lines_survives_every_kill_and_fault(theatre: Stage) -> None:
    steps = CreditNoteByLines.steps
    scenarios = [*killed_everywhere(steps), *every_fault([CREDIT_NOTE]), *together(CREDIT_NOTE)]
    await play_all(theatre, [(one, CreditNoteByLines()) for one in scenarios])
