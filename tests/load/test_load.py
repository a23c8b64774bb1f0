"""Some work on two APIs and a worker for each queue, which are restarted, and on a PostgreSQL that fails
over. More: `make load`."""

from pathlib import Path

import pytest

from settings.settings import QUEUES

from . import load
from .disturbances import FAILED_OVER, PROMOTED_AFTER, RESTARTED_WORKERS

pytestmark = [pytest.mark.slow, pytest.mark.crash, pytest.mark.postgres, pytest.mark.timeout(420)]

SEED = 77
BACK_WITHIN = PROMOTED_AFTER + 25.0
"""Seconds from the loss of PostgreSQL to the last answer that fails, on a busy machine."""


async def test_work_goes_on_through_a_rolling_restart_and_a_failover_and_happens_once(tmp_path: Path) -> None:
    disturbances = (RESTARTED_WORKERS, FAILED_OVER)
    shown = await load(tmp_path, SEED, 20.0, disturbances, every=1.5, workers=QUEUES)
    restart, failover = shown.disturbances
    assert restart.failed == 0, "the API does not need the workers"
    assert failover.failed > 0
    assert failover.recovered < BACK_WITHIN
    assert {"refund", "credit", "plan_change", "reminder_run"} <= set(shown.kinds)
    assert {"POST", "GET", "page"} == {one.what for one in shown.answers}
