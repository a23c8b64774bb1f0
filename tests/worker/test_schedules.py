"""What runs by the clock, on a real Temporal server: the test server has no schedules."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from worker import schedules

from ..house import BIN, until
from ..named import NAMED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
    )
    async with environment:
        yield environment.client


async def test_a_start_makes_every_schedule_and_a_second_one_changes_none(temporal: Client) -> None:
    for _ in range(2):
        await schedules.ensure(temporal)
        for timed in schedules.SCHEDULES:
            found = (await temporal.get_schedule_handle(timed.id).describe()).schedule
            assert found.spec.intervals[0].every == timed.every
            assert found.policy.catchup_window == timed.catch_up
            assert found.action.workflow == timed.workflow  # type: ignore[union-attr]
            assert timed.workflow in NAMED


async def test_an_operators_pause_and_note_survive_a_restart_of_the_worker(temporal: Client) -> None:
    await schedules.ensure(temporal)
    reminders = temporal.get_schedule_handle("reminder-sweep")
    await reminders.pause(note="No mails over the holidays.")

    async def paused() -> bool:
        return (await reminders.describe()).schedule.state.paused

    # Temporal tells the schedule a moment after it has answered.
    await until(paused, lambda: "the schedule was never paused")
    faster = [
        schedules.Timed(timed.id, timed.workflow, timed.every + timedelta(minutes=1), timed.catch_up)
        for timed in schedules.SCHEDULES
    ]
    await schedules.ensure(temporal, faster)
    found = (await reminders.describe()).schedule
    assert (found.state.paused, found.state.note) == (True, "No mails over the holidays.")
    assert found.spec.intervals[0].every == timedelta(minutes=16)
