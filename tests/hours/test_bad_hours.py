"""Six minutes of faults in random mixture over a running load, in a tenth of them. More: `make bad-hours`."""

from pathlib import Path

import pytest

from . import bad_hours
from .faults import MODES, OUTAGE, PASSING, episodes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

SEED = 1404
"""Every kind of fault is in it, every way in which events come, and two outages."""
SECONDS = 35.0


async def test_after_six_minutes_of_faults_everything_has_ended_right_and_happened_once(
    tmp_path: Path,
) -> None:
    played = await bad_hours(tmp_path, SEED, SECONDS)
    assert len(played.episodes) > 10
    assert {"refund", "credit", "plan_change", "reminder_run"} <= set(played.people.asked.values())
    assert played.people.elsewhere
    assert played.people.resolved
    assert played.people.refused_early, "nobody tried to clear an incident before it was over"


def test_every_kind_of_fault_is_among_them() -> None:
    played = list(episodes(SEED, SECONDS))
    assert {one.fault["fault"] for one in played} == set(PASSING)
    assert {one.events for one in played} == set(MODES)
    assert sum(one.fault["path"] == OUTAGE and one.fault["times"] is None for one in played) == 2
    assert any(one.mails for one in played)


def test_a_seed_always_gives_the_same_bad_hours() -> None:
    assert list(episodes(SEED, SECONDS)) == list(episodes(SEED, SECONDS))
    assert list(episodes(SEED, SECONDS)) != list(episodes(SEED + 1, SECONDS))
