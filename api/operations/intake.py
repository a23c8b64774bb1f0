"""Taking an operation in: its row, its first events and the start of its workflow, or nothing.

One way for all kinds; what a kind has of its own comes as `Asked`.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author
from billing.core.errors import Conflict
from billing.core.hashing import digest
from billing.core.operations import Kind, Message, State
from db.core import timeline
from db.core.record_hashes import wrote
from db.core.timeline import NewEvent
from db.operations import operations, outbox
from db.tables import Operation, Outbox, new_id
from workflows.core import ids

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import Caller
from ..http.context import Context

Found = TypeVar("Found")

Check = Callable[[AsyncSession], Awaitable[None]]
"""One that finds nothing which the message needs."""


def _nothing(_: Operation) -> Iterable[tuple[SQLModel, NewEvent]]:
    return ()


@dataclass(frozen=True)
class Asked(Generic[Found]):
    """What is asked for, and what to make of it.

    `check` raises what is already known to be impossible; what it returns goes into `message`, the input of
    `workflow`, whose `policy` is filled in here. `along` are rows that go with the operation, each with its
    event; `actions` is what may be asked of it before its workflow has begun.
    """

    kind: Kind
    request: Message
    workflow: str
    check: Callable[[AsyncSession], Awaitable[Found]]
    message: Callable[[Operation, Found], Message]
    along: Callable[[Operation], Iterable[tuple[SQLModel, NewEvent]]] = _nothing
    actions: tuple[str, ...] = ("cancel",)


async def accept(
    session: AsyncSession, context: Context, who: Caller, key: str | None, asked: Asked[Any], at: datetime
) -> tuple[Operation, Outbox | None]:
    """The operation and, unless it was there before, the start of its workflow.

    The row comes first: a repeated key is answered whatever the present state, and what is then found to
    be wrong rolls everything back. `key` is None for what nobody has sent.
    """
    operation = _draft(context, who, key, asked, at)
    try:
        operation, new = await operations.create(session, operation)
    except Conflict as conflict:
        if conflict.code == "plan_change_open":
            await asked.check(session)  # what is wrong in itself is said first
        raise
    if not new:
        return operation, None
    if key is not None:
        await context.limits.check_operations(session, who.organization, who.person, at)
    found = await asked.check(session)
    along = list(asked.along(operation))
    session.add_all(row for row, _ in along)
    wrote(session, operation.id, *(row for row, _ in along))
    await timeline.begin(session, operation, _requested(context, operation), *(event for _, event in along))
    start = await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=operation.workflow_id,
        name=asked.workflow,
        payload=_payload(context, asked.message(operation, found)),
        at=at,
        due_at=at + HEAD_START,
    )
    return operation, start


def _draft(context: Context, who: Caller, key: str | None, asked: Asked[Any], at: datetime) -> Operation:
    id_ = new_id("op")
    kind = asked.kind.value
    request = asked.request.model_dump(mode="json")
    return Operation(
        id=id_,
        organization_id=who.organization,
        kind=kind,
        state=State.ACCEPTED.value,
        stage="accepted",
        request=request,
        request_hash=digest({"kind": kind, "request": request}),
        idempotency_key=key,
        policy=context.policy_document,
        requested_by=who.person,
        authors=[Author(person=who.person, at=at, how="asked").model_dump(mode="json")],
        allowed_actions=list(asked.actions),
        workflow_id=ids.operation_workflow(id_),
        created_at=at,
        updated_at=at,
    )


def _requested(context: Context, operation: Operation) -> NewEvent:
    """What everything after it is held against: the request as it was taken, and under which policy."""
    return NewEvent(
        key="requested",
        event=f"{operation.kind.replace('_', ' ')} requested",
        actor=operation.requested_by,
        at=operation.created_at,
        detail={**operation.request, "policy_hash": context.policy_hash},
    )


def _payload(context: Context, message: Message) -> dict[str, Any]:
    """The message as JSON; the policy is by far the longest part of it and is there as JSON already."""
    document = message.model_dump(mode="json", by_alias=True, exclude={"policy"})
    return {**document, "policy": context.policy_document}
