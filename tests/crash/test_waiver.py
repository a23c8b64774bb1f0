"""Whoever kills the worker, whatever Stripe does meanwhile: one void or write-off, with its note."""

import pytest

from .plan import every_fault, killed_everywhere
from .stage import Stage, play_all
from .waiver_workload import (
    EFFECT,
    INTENT,
    NOTE,
    VOID,
    WRITE_OFF,
    ApprovedVoid,
    ApprovedWriteOff,
    Void,
    WriteOff,
)

# Many scenarios make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]


async def test_a_void_survives_every_kill_and_fault(theatre: Stage) -> None:
    """Straight through or approved."""
    voided = [*killed_everywhere(Void.steps), *every_fault([VOID, NOTE])]
    approved = killed_everywhere([*ApprovedVoid.reviewed, INTENT, VOID, EFFECT, NOTE])
    await play_all(
        theatre,
        [*((one, Void()) for one in voided), *((one, ApprovedVoid()) for one in approved)],
    )


async def test_a_write_off_survives_every_kill_and_fault(theatre: Stage) -> None:
    """Straight through or approved."""
    written_off = [*killed_everywhere(WriteOff.steps), *every_fault([WRITE_OFF, NOTE])]
    approved = killed_everywhere([*ApprovedWriteOff.reviewed, INTENT, WRITE_OFF, EFFECT, NOTE])
    await play_all(
        theatre,
        [*((one, WriteOff()) for one in written_off), *((one, ApprovedWriteOff()) for one in approved)],
    )
