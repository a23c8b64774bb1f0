"""A database that is away under open operations: none is lost, none writes on and on, all go on."""

from pathlib import Path

import pytest

from workflows.core import ids

from .outage import outage
from .outage.crowd import Size
from .outage.histories import MAX_AN_HOUR
from .outage.histories import WORKFLOWS as KINDS

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(900)]

AWAY = 25.0
"""Seconds: several times what an operation tries at once. `make outage MINUTES=10` waits for ten minutes."""
SIZE = Size(
    reviewed=16,
    approved=6,
    cancelled=3,
    failed=4,
    failing=3,
    watched=4,
    pending=2,
    held=4,
    elsewhere=3,
)
"""A quarter of what `make outage` plays."""


async def test_a_database_that_is_away_costs_no_operation_its_workflow_nor_more_than_ten_events_an_hour(
    tmp_path: Path,
) -> None:
    figures = await outage(tmp_path, AWAY, SIZE)
    assert figures.away >= AWAY
    assert figures.operations == SIZE.operations
    assert sum(figures.ended.values()) == SIZE.operations
    assert {one.kind for one in figures.costs} == set(KINDS), "a kind is not among them"
    dear = [one for one in figures.costs if max(one.added, one.an_hour) > MAX_AN_HOUR]
    assert dear == [], f"{figures}"
    # Reminders that fell due, reviews that were dismissed: the outage was felt.
    asking = [one for one in figures.costs if one.kind == ids.CREDIT and one.waiting]
    assert len(asking) > SIZE.cancelled, f"{figures}"
