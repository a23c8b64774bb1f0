"""Committed histories still take the same path through today's workflow code."""

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Interceptor, Replayer

from worker.queues import RUNNER
from workflows.client.connection import interceptors

from ..support.named import NAMED
from ..support.traced import traced
from .recording import HISTORIES, digest

ROOT = Path(__file__).parents[2]
FILES = sorted(HISTORIES.glob("*/*.json"))

REFUND = "a_failed_refund_is_closed_while_mail_is_down_and_the_mail_goes_out_afterwards.operation-1"

RELEASES: dict[str, str] = {}
"""The digest of each release's histories. A line is never changed: such workflows are open somewhere."""


def test_what_a_release_recorded_stays_as_it_was() -> None:
    released = {folder.name: digest(folder) for folder in HISTORIES.iterdir() if folder.name != "next"}
    assert released == RELEASES, "a released history changed: use workflow.patched, and record beside it"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_no_commit_ever_changed_what_a_release_recorded() -> None:
    log = ["git", "log", "--format=", "--name-only", "--no-renames", "--diff-filter=MD"]
    changed = subprocess.run(
        [*log, "--", f"{HISTORIES}/[0-9]*"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert changed.stdout.split() == []


def test_there_is_a_history_for_every_end_of_a_plan_change() -> None:
    """By what the workflow returned: its final state."""
    ends = {
        result
        for file in FILES
        if ".operation-" in file.name
        for result in [_result(file)]
        if result is not None
    }
    assert ends >= {"completed", "rejected", "cancelled", "expired", "blocked", "declined", "failed"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_the_history_replays(file: Path) -> None:
    await _replay(file)


async def test_what_was_recorded_untraced_replays_where_it_is_traced() -> None:
    [file] = HISTORIES.glob(f"next/{REFUND}.json")
    with traced() as traces:
        await _replay(file, interceptors())
    assert traces.spans == []


async def _replay(file: Path, carried: Sequence[Interceptor] = ()) -> None:
    document = json.loads(file.read_text())
    history = WorkflowHistory.from_json(document["workflow_id"], document["history"])
    began = history.events[0].workflow_execution_started_event_attributes
    # Only the one: a replayer loads each of its workflows anew, which takes far longer than to replay.
    replayer = Replayer(
        workflows=[NAMED[began.workflow_type.name]],
        workflow_runner=RUNNER,
        data_converter=pydantic_data_converter,
        interceptors=carried,
    )
    await replayer.replay_workflow(history)


def _result(file: Path) -> str | None:
    last = json.loads(file.read_text())["history"]["events"][-1]
    completed = last.get("workflowExecutionCompletedEventAttributes")
    if completed is None:
        return None
    [payload] = completed["result"]["payloads"]
    # A reminder run returns nothing: its operation has the summary.
    return str(json.loads(base64.b64decode(payload["data"]))) if "data" in payload else None
