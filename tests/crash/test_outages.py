"""Whole processes are missing or killed: what was accepted runs, and a decision is applied once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .town import Town, town_in

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with town_in(tmp_path, without="api,worker,temporal") as built:
        yield built


async def test_what_was_accepted_while_temporal_was_down_runs_once_even_if_the_api_was_killed(
    town: Town,
) -> None:
    await town.start("api")
    await town.serving()
    accepted = await town.ask("while-down")
    again = await town.ask("while-down")
    await town.kill("api")

    await town.start("temporal", "worker", "api")
    await town.serving()
    operation = await town.wait(accepted.json()["id"], "awaiting_approval")

    assert accepted.status_code == 202, accepted.text
    assert again.json()["id"] == accepted.json()["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await town.events(operation["id"])).count("previewed") == 1


async def test_a_decision_accepted_while_no_worker_ran_and_temporal_died_is_applied_once(town: Town) -> None:
    await town.start("temporal", "worker", "api")
    await town.serving()
    asked = await town.ask("decided-in-the-dark")
    operation = await town.wait(asked.json()["id"], "awaiting_approval")
    await town.kill("worker", "temporal")
    decided = await town.approve(operation)
    twice = await town.approve(operation)
    await town.kill("api")
    before = await town.updates()

    await town.start("temporal", "worker", "api")
    await town.serving()
    done = await town.wait(operation["id"], "completed")

    assert (decided.status_code, twice.status_code) == (200, 200), decided.text
    assert before == []
    assert done["result"]["verified"] is True
    assert len(await town.updates()) == 1
    assert (await town.events(operation["id"])).count("approved") == 1
