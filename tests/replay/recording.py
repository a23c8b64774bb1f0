"""Keeps the histories of a test's workflows, one file each, when `RECORD_HISTORIES` is set.

Recorded from the workflow tests on SQLite, they are replayed by every test run: code that would take
another path through an open workflow fails there, before it meets one. Those of the release to come are in
`next` and may be recorded anew; a release takes them with it into a folder of its own, which stays as it is.

    python -m tests.replay.recording            removes what takes the same path as another
    python -m tests.replay.recording --freeze 1.1   makes `next` the histories of release 1.1
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from billing.incidents.states import Component
from db.tables import CustomerMail, Incident, Operation, Reconciliation
from workflows.core import ids as workflow_ids

from ..support.house import House

HISTORIES = Path(__file__).parent / "histories"
NEXT = HISTORIES / "next"
ALIKE = (
    "operation",
    "mail",
    "reconciliation",
    "quote",
    "catch-up",
)
"""Kinds of which many tests record the same branch."""


def recording() -> bool:
    return bool(os.environ.get("RECORD_HISTORIES"))


async def record(home: House, test: str) -> None:
    """Writes the histories of operations, incidents, mails, and what ran in the background."""
    name = re.sub(r"^test_|\[.*$", "", test)
    async with home.database.reading() as session:
        ids = (await session.exec(select(Operation.workflow_id).order_by(Operation.workflow_id))).all()
        for number, workflow_id in enumerate(ids, 1):
            if await _is_ours(home, workflow_id):
                await _settled(home, workflow_id)
                await _write(home, workflow_id, f"{name}.operation-{number}.json")
        for number, one in enumerate((await session.exec(select(Incident).order_by(Incident.id))).all(), 1):
            workflow_id = workflow_ids.incident_workflow(one.id, Component(one.component))
            if await _is_ours(home, workflow_id):
                await _write(home, workflow_id, f"{name}.incident-{number}.json")
        mails = (await session.exec(select(CustomerMail.id).where(CustomerMail.template != "reminder"))).all()
        for number, mail in enumerate(sorted(mails), 1):
            workflow_id = workflow_ids.customer_mail_workflow(mail)
            if await _is_ours(home, workflow_id):
                await home.temporal.get_workflow_handle(workflow_id).result()
                await _write(home, workflow_id, f"{name}.mail-{number}.json")
        await _write_background(home, name, await _background(session, home))


async def _background(session: AsyncSession, home: House) -> dict[str, list[str]]:
    """Workflows of no operation, by what they are called in a file's name."""
    return {
        "reconciliation": list(
            await session.exec(select(Reconciliation.workflow_id).order_by(Reconciliation.id))
        ),
        "quote": [one for one in home.ran if one.startswith("quote-")],
        "catch-up": [one for one in home.ran if one.startswith(workflow_ids.EVENT_CATCH_UP)],
    }


async def _write_background(home: House, name: str, found: dict[str, list[str]]) -> None:
    """Those that have ended: one of each says as much as ten."""
    for kind, workflows in found.items():
        for workflow_id in workflows[:2]:
            if await _is_ours(home, workflow_id):
                described = await home.temporal.get_workflow_handle(workflow_id).describe()
                if described.status != WorkflowExecutionStatus.RUNNING:
                    number = workflows.index(workflow_id) + 1
                    await _write(home, workflow_id, f"{name}.{kind}-{number}.json")


async def _write(home: House, workflow_id: str, file: str) -> None:
    try:
        history = await home.temporal.get_workflow_handle(workflow_id).fetch_history()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return  # a row that a test stored itself
    document = {"workflow_id": workflow_id, "history": history.to_json_dict()}
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    NEXT.mkdir(exist_ok=True)
    (NEXT / file).write_text(f"{text}\n")


async def _is_ours(home: House, workflow_id: str) -> bool:
    """A test's own workflow may stand in for one, or none at all."""
    try:
        described = await home.temporal.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise
    return described.workflow_type in vars(workflow_ids).values()


async def _settled(home: House, workflow_id: str) -> None:
    """Waits for a workflow whose operation has ended to return: a refund is watched for weeks."""
    async with home.database.reading() as session:
        query = select(Operation.closed_at).where(Operation.workflow_id == workflow_id)
        closed = (await session.exec(query)).one()
    if closed is None:
        return
    handle = home.temporal.get_workflow_handle(workflow_id)
    for _ in range(100):
        if (await handle.describe()).status != WorkflowExecutionStatus.RUNNING:
            return
        await home.skip(hours=12)
    raise AssertionError(f"{workflow_id} has ended for people, but does not return")


def thin_out() -> int:
    """Removes histories of `next` that take the same path as another, or as one of a release.

    The same workflow, events and activities are one path. Returns how many were removed.
    """
    released = {_path(file) for file in HISTORIES.glob("[0-9]*/*.json")}
    seen: set[str] = set()
    removed = 0
    for file in sorted(NEXT.glob("*.json")):
        path = _path(file)
        if path in released or (path in seen and _is_one_of_many(file)):
            file.unlink()
            removed += 1
        seen.add(path)
    return removed


def digest(release: Path) -> str:
    """What the names and contents of a release's histories come to, in hexadecimal (SHA-256)."""
    files = sorted(release.iterdir())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def freeze(release: str) -> str:
    """Makes `next` the histories of this release; returns their digest, for `RELEASES` of the test."""
    NEXT.rename(HISTORIES / release)
    return digest(HISTORIES / release)


def _is_one_of_many(file: Path) -> bool:
    return file.stem.rpartition(".")[2].rstrip("0123456789").rstrip("-").startswith(ALIKE)


def _path(file: Path) -> str:
    history = json.loads(file.read_text())["history"]
    began = history["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
    steps = [(event["eventType"], _activity(event), _update(event)) for event in history["events"]]
    return json.dumps([began, steps])


def _activity(event: Any) -> str | None:
    scheduled = event.get("activityTaskScheduledEventAttributes")
    return scheduled["activityType"]["name"] if scheduled else None


def _update(event: Any) -> str | None:
    accepted = event.get("workflowExecutionUpdateAcceptedEventAttributes")
    return accepted["acceptedRequest"]["input"]["name"] if accepted else None


def main(freeze_as: Annotated[str | None, typer.Option("--freeze", metavar="RELEASE")] = None) -> None:
    print(f"{thin_out()} histories take the same path as another and were removed")
    if freeze_as:
        print(f'Add to RELEASES in tests/replay/test_histories.py: "{freeze_as}": "{freeze(freeze_as)}"')


if __name__ == "__main__":
    typer.run(main)
