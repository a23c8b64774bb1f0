"""The two ways from here into a workflow: an operation is started, and people's commands are sent to it.

Both are written to the records first, in the caller's transaction, and handed over after its commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from fastapi import Response
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author, Shaping
from billing.core.events import EventCode
from billing.core.hashing import digest
from billing.core.messages import Reply
from billing.core.operations import Kind, Message, State
from billing.operations.kinds import KINDS
from billing.operations.questions import ASKED_BY, Question, last_number
from db.core import timeline
from db.core.clock import utc_now
from db.core.record_hashes import wrote
from db.core.timeline import NewEvent
from db.operations import operations, outbox
from db.tables import Operation, Outbox, new_id
from workflows.core import ids

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import Caller
from ..http.context import Context
from ..http.models import OperationAnswer
from ..problems.problem import ApiProblem, not_found, refused_by_workflow
from . import actions, views
from .problems import NOT_REVISABLE, NOTHING_TO_RESOLVE

SETTLED_WITHIN = 2.0
"""Seconds that an answer waits for the operation to act on what its workflow has taken."""
LOOK_EVERY = 0.03
"""Seconds, at first; each further look waits half as long again."""


# --- Starting an operation ----------------------------------------------------------------------------


@dataclass(frozen=True)
class StartedOperation:
    """`start` is the start of its workflow, to be delivered; None where a request was only repeated."""

    operation: Operation
    start: Outbox | None = None


def draft(
    context: Context,
    caller: Caller,
    kind: Kind,
    request: Message,
    *,
    key: str | None,
    at: datetime | None = None,
    quote: str | None = None,
    allowed_actions: Iterable[str] = ("cancel",),
) -> Operation:
    """An operation as it will be recorded. `key` is the request's Idempotency-Key, None for what nobody has
    sent; `at` is when it was asked for, if not now; `quote` names the quote of exactly what is asked for;
    `allowed_actions` is what may be asked of it before its workflow has begun.

    Raises ApiProblem `role_missing` for whose authority over money can't be told.
    """
    if KINDS[kind].gives_money:
        caller.acts_with_all_roles()
    operation_id, at = new_id("op"), at or utc_now()
    document = request.model_dump(mode="json") | ({"quote": quote} if quote is not None else {})
    return Operation(
        id=operation_id,
        organization_id=caller.organization,
        kind=kind.value,
        state=State.ACCEPTED.value,
        stage="accepted",
        request=document,
        request_hash=digest({"kind": kind.value, "request": document}),
        idempotency_key=key,
        policy=context.policy_document,
        requested_by=caller.person,
        authors=[Author(person=caller.person, at=at, how="asked").model_dump(mode="json")],
        allowed_actions=list(allowed_actions),
        workflow_id=ids.operation_workflow(operation_id),
        created_at=at,
        updated_at=at,
    )


async def find_repeated(session: AsyncSession, draft: Operation) -> StartedOperation | None:
    """The operation that the same request has started before: its answer is due whatever the present state,
    so look for it before you check anything. Raises Conflict `idempotency_key_reused`."""
    earlier = await operations.find_repeated(session, draft)
    return StartedOperation(earlier) if earlier else None


async def start_operation(
    session: AsyncSession,
    context: Context,
    draft: Operation,
    *,
    workflow_input: Message,
    rows: Iterable[tuple[SQLModel, NewEvent]] = (),
    changing: Sequence[Operation] | None = None,
) -> StartedOperation:
    """Record the operation, its `rows` with an event each, and the start of its workflow, or nothing.
    `changing` is what `operations.changing_subscription` has just found, if it was asked.

    Raises Conflict `plan_change_open` and `idempotency_key_reused`, ApiProblem `too_many_operations`.
    """
    operation, new = await operations.create(session, draft, changing)
    if not new:  # the same request came twice at the same moment
        return StartedOperation(operation)
    at = operation.created_at
    if operation.idempotency_key is not None:
        await context.limits.check_operations(session, operation.organization_id, operation.requested_by, at)
    rows = list(rows)
    session.add_all(row for row, _ in rows)
    wrote(session, operation.id, *(row for row, _ in rows))
    await timeline.begin(session, operation, _requested(context, operation), *(event for _, event in rows))
    start = await outbox.note(
        session,
        action=outbox.START,
        workflow_id=operation.workflow_id,
        name=ids.OPERATION_WORKFLOWS[Kind(operation.kind)],
        payload=_start_payload(context, workflow_input),
        at=at,
        due_at=at + HEAD_START,
        found_by=await operations.found_by(session, operation),
    )
    return StartedOperation(operation, start)


def answer_started(
    context: Context, caller: Caller, started: StartedOperation, response: Response
) -> OperationAnswer:
    """After the commit: hand the start over, and answer with where the operation is to be read."""
    if started.start is not None:
        context.dispatcher.hand_over(started.start)
    else:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Location"] = f"/v1/operations/{started.operation.id}"
    return views.operation(started.operation, caller)


def _requested(context: Context, operation: Operation) -> NewEvent:
    """What everything after it is held against: the request as it was taken, and under which policy."""
    return NewEvent(
        key="requested",
        event=KINDS[Kind(operation.kind)].begins_with,
        actor=operation.requested_by,
        at=operation.created_at,
        detail={**operation.request, "policy_hash": context.policy_hash},
    )


def _start_payload(context: Context, workflow_input: Message) -> dict[str, Any]:
    """The input as JSON; the policy is by far the longest part of it and is there as JSON already."""
    document = workflow_input.model_dump(mode="json", by_alias=True, exclude={"policy"})
    return {**document, "policy": context.policy_document}


# --- Sending it a command -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """What a person asks of an operation, as `allowed_actions` calls it, and the event that says so.

    `update` is what its workflow calls it, where that is not the action's name.
    One that `acts_at_once` has had its effect when the workflow answers.
    `shapes` is what it makes of its sender, where others decide on what comes of it.
    """

    action: str
    message: Message
    event: EventCode
    detail: Mapping[str, Any]
    update: str | None = None
    acts_at_once: bool = False
    shapes: Shaping | None = None


def resolution(action: str, comment: str, message: Message) -> Command:
    """What a person makes of an operation that came out other than it should have."""
    return Command(
        action,
        message,
        EventCode.RESOLUTION_REQUESTED,
        {"action": action, "comment": comment},
        update="resolve",
        shapes="retried" if action == "retry" else None,
    )


@dataclass(frozen=True)
class RecordedCommand:
    """A command that is to be delivered, and its operation as it was before that."""

    command: Command
    row: Outbox
    operation: Operation


async def send_command(
    context: Context,
    caller: Caller,
    kind: Kind,
    operation_id: str,
    command: Command,
    response: Response,
    check: Callable[[AsyncSession], Awaitable[object]] | None = None,
) -> OperationAnswer:
    """Record a command, pass it on and answer with what then holds. `check` looks, in the same transaction,
    at what is asked, once it is sure that this caller may ask it.

    Raises what `locked_for` and `check` do, and ApiProblem for what the workflow refuses.
    """
    async with context.database.transaction() as session:
        operation = await locked_for(session, caller, kind, operation_id, command.action)
        if check is not None:
            await check(session)
        recorded = await record_command(session, caller, operation, command)
    return await answer_command(context, caller, recorded, response)


async def locked_for(
    session: AsyncSession, caller: Caller, kind: Kind, operation_id: str, action: str
) -> Operation:
    """The operation, of which this caller may ask that action until the transaction ends.

    Raises ApiProblem `not_found`, and what `actions.check` and `actions.check_authors` raise.
    """
    operation = await owned(session, caller, kind, operation_id)
    operation = await operations.lock(session, operation.id)
    actions.check(operation, action, caller)
    await actions.check_authors(session, operation, action, caller, utc_now())
    return operation


async def record_command(
    session: AsyncSession, caller: Caller, operation: Operation, command: Command
) -> RecordedCommand:
    """Write the command with its event, once: the same by the same person that is still on its way is the
    same row. The operation is locked, so that of two at the same moment the second finds the first.

    Raises ApiProblem `not_revisable` and `nothing_to_resolve` for another answer than the one on its way.
    """
    update, message = command.update or command.action, command.message
    if isinstance(message, Reply):
        question = await _open_question(session, operation, ASKED_BY[command.action])
        message = message.model_copy(update={"question": question})
    payload = message.model_dump(mode="json", by_alias=True)
    on_its_way = await outbox.on_its_way(session, operation.workflow_id, update)
    row = next((earlier for earlier in on_its_way if _same(earlier.payload, payload)), None)
    if row is None:
        if isinstance(message, Reply):
            _check_first(message, on_its_way)
        row = await _enqueue(session, caller, operation, command, update, payload)
    return RecordedCommand(command, row, operation)


async def _open_question(session: AsyncSession, operation: Operation, question: Question) -> int:
    """The number under which the operation asks now: by then it may ask another one."""
    return last_number(question, (event.key for event in await timeline.read(session, operation.id)))


def _check_first(answer: Reply, on_its_way: Iterable[Outbox]) -> None:
    """Refuses what somebody has answered a moment before, while nothing is written of it. Whom the records
    don't tell of yet, the workflow refuses."""
    before = next((one for one in on_its_way if one.payload["question"] == answer.question), None)
    if before is None:
        return
    person = before.payload["person"]
    if before.name == "revise":
        raise ApiProblem(NOT_REVISABLE, f"{person} has just sent a revision: read the operation again.")
    raise ApiProblem(NOTHING_TO_RESOLVE, f"{person} has just resolved it: read the operation again.")


async def _enqueue(
    session: AsyncSession,
    caller: Caller,
    operation: Operation,
    command: Command,
    update: str,
    payload: Mapping[str, Any],
) -> Outbox:
    update_id, at = new_id("cmd"), utc_now()
    if command.shapes is not None:
        author = Author(person=caller.person, at=at, how=command.shapes)
        await operations.add_author(session, operation.id, author)
    await timeline.append(
        session,
        operation.id,
        key=outbox.command_key(update, update_id),
        event=command.event,
        actor=caller.person,
        at=at,
        detail=command.detail,
    )
    return await outbox.enqueue(
        session,
        action=outbox.UPDATE,
        workflow_id=operation.workflow_id,
        name=update,
        payload=payload,
        at=at,
        update_id=update_id,
        due_at=at + HEAD_START,
    )


def _same(payload: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Alike but for the comment: who asks twice may say why in other words."""
    return {**payload, "comment": None} == {**other, "comment": None}


async def answer_command(
    context: Context, caller: Caller, recorded: RecordedCommand, response: Response
) -> OperationAnswer:
    """After the commit: pass the command on, and answer with what then holds.

    200 once the operation has acted on it; until then 202, and the answer says that it is pending.
    """
    delivery = await context.dispatcher.outcome(recorded.row)
    if delivery.outcome == "refused":
        raise refused_by_workflow(delivery.problem)
    taken = delivery.outcome == "delivered"
    operation = await _read_acted_on(context, caller, recorded, SETTLED_WITHIN if taken else 0.0)
    pending = not (taken and _has_acted(operation, recorded))
    response.status_code = 202 if pending else 200
    return views.operation(operation, caller, pending=pending)


def _has_acted(operation: Operation, recorded: RecordedCommand) -> bool:
    if recorded.command.action == "cancel":
        # Whatever else it does meanwhile, it has not been cancelled before its end.
        return "cancel" not in operation.allowed_actions
    return recorded.command.acts_at_once or operation.updated_at != recorded.operation.updated_at


async def _read_acted_on(
    context: Context, caller: Caller, recorded: RecordedCommand, within: float
) -> Operation:
    """The operation once it has acted on the command, or as it is after `within` seconds.

    A workflow takes a command before its story has got so far as to act on it.
    """
    kind, operation_id = Kind(recorded.operation.kind), recorded.operation.id
    until, pause = monotonic() + within, LOOK_EVERY
    while True:
        async with context.database.reading() as session:
            operation = await owned(session, caller, kind, operation_id)
        if _has_acted(operation, recorded) or monotonic() >= until:
            return operation
        await asyncio.sleep(pause)
        pause *= 1.5


async def owned(session: AsyncSession, caller: Caller, kind: Kind, operation_id: str) -> Operation:
    """The caller's organization's operation of this kind. Raises ApiProblem `not_found`."""
    operation = await operations.get(session, caller.organization, operation_id)
    if operation is None or operation.kind != kind.value:
        raise not_found()
    return operation
