"""What every kind of operation is asked in the same way: to begin, and what people tell it while it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from fastapi import Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Kind
from db.operations import operations
from db.tables import Operation

from ..http.auth import Caller
from ..http.context import Context, now
from ..http.models import OperationAnswer
from ..problems.problem import not_found, refused_by_workflow
from . import actions, commands, intake, views
from .commands import Command
from .intake import Asked

SETTLED_WITHIN = 2.0
"""Seconds that an answer waits for the operation to act on what its workflow has taken."""
LOOK_EVERY = 0.03
"""Seconds, at first; each further look waits half as long again."""

Build = Callable[[AsyncSession, Operation], Awaitable[Command]]
"""Makes a command out of what it writes along with it."""


async def begin(
    context: Context, who: Caller, key: str, asked: Asked[Any], response: Response
) -> OperationAnswer:
    """Answers as soon as the request is recorded; its workflow is told afterwards."""
    async with context.database.transaction() as session:
        operation, start = await intake.accept(session, context, who, key, asked, now())
    if start:
        context.dispatcher.hand_over(start)
    else:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Location"] = f"/v1/operations/{operation.id}"
    return views.operation(operation, who)


async def tell(
    context: Context,
    who: Caller,
    kind: Kind,
    id_: str,
    action: str,
    command: Command | Build,
    response: Response,
) -> OperationAnswer:
    """Records what a person tells the operation, passes it on, and answers with what then holds.

    200 once the operation has acted on it; until then 202, and the answer says that it is pending.

    Raises ApiProblem `not_found`, what `actions.check` raises, and what the workflow refuses.
    """
    at = now()
    async with context.database.transaction() as session:
        # What is checked must still hold when the command is written beside it.
        await operations.lock(session, (await owned(session, who, kind, id_)).id)
        operation = await owned(session, who, kind, id_)
        await session.refresh(operation)
        actions.check(operation, action, who)
        await actions.check_authors(session, operation, action, who, at)
        built = command if isinstance(command, Command) else await command(session, operation)
        row = await commands.record(session, operation, who.person, built, at)
        before = operation.updated_at
    delivery = await context.dispatcher.outcome(row)
    if delivery.outcome == "refused":
        raise refused_by_workflow(delivery.problem)
    taken = delivery.outcome == "delivered"

    def acted_on(operation: Operation) -> bool:
        if action == "cancel":  # whatever else it does meanwhile, it has not been cancelled before its end
            return action not in operation.allowed_actions
        return built.acts_at_once or operation.updated_at != before

    operation = await _read(context, who, kind, id_, acted_on, SETTLED_WITHIN if taken else 0.0)
    pending = not (taken and acted_on(operation))
    response.status_code = 202 if pending else 200
    return views.operation(operation, who, pending=pending)


async def _read(
    context: Context, who: Caller, kind: Kind, id_: str, enough: Callable[[Operation], bool], within: float
) -> Operation:
    """The operation, once it is `enough`, or as it is after so many seconds.

    A workflow takes a command before its story has got so far as to act on it.
    """
    until, pause = monotonic() + within, LOOK_EVERY
    while True:
        async with context.database.reading() as session:
            operation = await owned(session, who, kind, id_)
        if enough(operation) or monotonic() >= until:
            return operation
        await asyncio.sleep(pause)
        pause *= 1.5


async def owned(session: AsyncSession, who: Caller, kind: Kind, id_: str) -> Operation:
    """The caller's organization's operation of this kind. Raises ApiProblem `not_found`."""
    operation = await operations.get(session, who.organization, id_)
    if operation is None or operation.kind != kind.value:
        raise not_found()
    return operation
