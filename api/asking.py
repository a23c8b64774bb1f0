"""What every kind of operation is asked in the same way: to begin, and what people tell it while it runs."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.operations import Kind
from db import operations
from db.tables import Operation

from . import actions, commands, intake, views
from .auth import Caller
from .commands import Command
from .context import Context, now
from .intake import Asked
from .models import OperationAnswer
from .problems import not_found, refused_by_workflow

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

    Raises ApiProblem `not_found`, what `actions.check` raises, and what the workflow refuses.
    """
    async with context.database.transaction() as session:
        operation = await owned(session, who, kind, id_)
        actions.check(operation, action, who)
        built = command if isinstance(command, Command) else await command(session, operation)
        row = await commands.record(session, operation, who.person, built, now())
    delivery = await context.dispatcher.outcome(row)
    if delivery.outcome == "refused":
        raise refused_by_workflow(delivery.problem)
    async with context.database.reading() as session:
        operation = await owned(session, who, kind, id_)
    pending = delivery.outcome == "later"
    response.status_code = 202 if pending else 200
    return views.operation(operation, who, pending=pending)


async def owned(session: AsyncSession, who: Caller, kind: Kind, id_: str) -> Operation:
    """The caller's organization's operation of this kind. Raises ApiProblem `not_found`."""
    operation = await operations.get(session, who.organization, id_)
    if operation is None or operation.kind != kind.value:
        raise not_found()
    return operation
