"""Workflows that are terminated, cancelled, reset and poisoned in Temporal: each ends, or goes on.

More seeds: `python -m tests.crash.ended -n 1000`.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from .covering import covering
from .ended import Part, every_one, schedule, traits
from .ended.play import play
from .ended.theatre import Theatre, theatre

# Many schedules make one test; each gives up by itself long before this.
pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

SEEDS = range(1, 1001)
"""Of which a few are played."""
ENOUGH = 0.6
"""The share of the planned blows that must strike, so that the test can't become empty."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Theatre]:
    async with theatre(tmp_path) as built:
        yield built


async def _all_hold(stage: Theatre, parts: Sequence[Part]) -> None:
    await play(stage, parts)
    planned = sum(len(part.strikes) for part in parts)
    print(f"{stage.played} operations, {stage.struck} of {planned} blows")
    assert not stage.failures, "\n".join([f"{len(stage.failures)} of {stage.played}:", *stage.failures])
    assert stage.struck >= ENOUGH * planned


async def test_every_operation_ended_from_outside_at_any_stage_has_an_end_or_runs_again(
    stage: Theatre,
) -> None:
    await _all_hold(stage, list(every_one()))


async def test_random_schedules_of_blows_leave_nothing_stuck(stage: Theatre) -> None:
    await _all_hold(stage, list(map(schedule, covering(SEEDS, traits))))


def test_a_seed_always_gives_the_same_schedule() -> None:
    assert [schedule(seed) for seed in SEEDS] == [schedule(seed) for seed in SEEDS]
    assert len({str(schedule(seed)).partition(":")[2] for seed in SEEDS}) > 600
