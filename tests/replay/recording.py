"""Keeps the histories of a test's workflows, one file each, when `RECORD_HISTORIES` is set.

Recorded from the workflow tests on SQLite, they are replayed by every test run: code that would take
another path through an open workflow fails there, before it meets one.
"""

import json
import os
import re
from pathlib import Path

from sqlmodel import select

from db.tables import Approval, Notice, Operation

from ..house import House

HISTORIES = Path(__file__).parent / "histories"


def recording() -> bool:
    return bool(os.environ.get("RECORD_HISTORIES"))


async def record(home: House, test: str) -> None:
    """Writes the histories of every operation, approval and notice of the house."""
    name = re.sub(r"^test_|\[.*$", "", test)
    async with home.database.reading() as session:
        for kind, table in (("operation", Operation), ("approval", Approval), ("notice", Notice)):
            ids = (await session.exec(select(table.workflow_id).order_by(table.workflow_id))).all()
            for number, workflow_id in enumerate(ids, 1):
                await _settled(home, kind, workflow_id)
                history = await home.temporal.get_workflow_handle(workflow_id).fetch_history()
                file = HISTORIES / f"{name}.{kind}-{number}.json"
                document = {"workflow_id": workflow_id, "history": history.to_json_dict()}
                file.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")


async def _settled(home: House, kind: str, workflow_id: str) -> None:
    """Waits for a story whose operation has ended to return: its last mail may still be on its way."""
    if kind == "operation":
        async with home.database.reading() as session:
            query = select(Operation.closed_at).where(Operation.workflow_id == workflow_id)
            closed = (await session.exec(query)).one()
        if closed is not None:
            await home.temporal.get_workflow_handle(workflow_id).result()
