"""What a person tells a running workflow: recorded with its timeline event first, then passed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author, Shaping
from billing.core.operations import Message
from db.core import timeline
from db.operations import operations, outbox
from db.tables import Operation, Outbox, new_id

from ..dispatch.dispatcher import HEAD_START


@dataclass(frozen=True)
class Command:
    """An update `name` for an operation's workflow, and the event that says who asked for it.

    One that `acts_at_once` has had its effect when the workflow answers.

    `shapes` is what it makes of its sender, where others decide on what comes of it.
    """

    name: str
    message: Message
    event: str
    detail: Mapping[str, Any]
    acts_at_once: bool = False
    shapes: Shaping | None = None


async def record(
    session: AsyncSession, operation: Operation, person: str, command: Command, at: datetime
) -> Outbox:
    """Write the command, once: the same by the same person that is still on its way is the same row.

    Lock the operation first, so that of two at the same moment the second finds the first.
    """
    payload = command.message.model_dump(mode="json", by_alias=True)
    for earlier in await outbox.on_its_way(session, operation.workflow_id, command.name):
        if _same(earlier.payload, payload):
            return earlier
    update_id = new_id("cmd")
    if command.shapes is not None:
        author = Author(person=person, at=at, how=command.shapes)
        await operations.add_author(session, operation.id, author)
    await timeline.append(
        session,
        operation.id,
        key=f"{command.name}:{update_id}",
        event=command.event,
        actor=person,
        at=at,
        detail=command.detail,
    )
    return await outbox.enqueue(
        session,
        action=outbox.UPDATE,
        workflow_id=operation.workflow_id,
        name=command.name,
        payload=payload,
        at=at,
        update_id=update_id,
        due_at=at + HEAD_START,
    )


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Alike but for the comment: who asks twice may say why in other words."""
    return {**one, "comment": None} == {**other, "comment": None}
