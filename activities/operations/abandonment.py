"""What becomes of an operation whose workflow is over before its end, and of runs that come after its end."""

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError

from billing.core.operations import Problem
from billing.operations.messages import Progress
from billing.operations.standing import NOTES, OPERATION_CLOSED, Abandon, AbandonResult
from db.approvals import approvals
from db.operations import intents, operations
from db.tables import Intent, Operation

from .endings import end_operation


async def effects_of(session: AsyncSession, operation: str) -> list[Intent]:
    """What was begun in Stripe for it, notes apart."""
    found = await intents.of_operation(session, operation)
    return [intent for intent in found if not intent.effect.endswith(NOTES)]


async def must_be_open(session: AsyncSession, operation_id: str) -> Operation:
    """The operation, which nobody can end before this transaction does.

    Raises ApplicationError `operation_closed`, which is final.
    """
    operation = await operations.lock(session, operation_id)
    if operation.closed_at is not None:
        raise closed(operation)
    return operation


def closed(operation: Operation) -> ApplicationError:
    return ApplicationError(
        f"The operation has ended ({operation.state}).", type=OPERATION_CLOSED, non_retryable=True
    )


async def abandon(session: AsyncSession, order: Abandon) -> AbandonResult:
    """Ends the operation where nothing was sent to Stripe for it; its end tells everybody concerned.

    Whether something was, is settled under the operation's lock: nothing can be begun meanwhile.
    """
    for approval in await approvals.open_of(session, order.operation):
        await approvals.lock(session, approval)
    operation = await operations.lock(session, order.operation)
    if operation.closed_at is not None:
        return AbandonResult(outcome="closed")
    if await effects_of(session, order.operation) and not order.although_begun:
        return AbandonResult(outcome="begun")
    problem = Problem(code=order.code, message=order.message)
    said = {"comment": order.comment} if order.comment else {}
    said |= {"operator": order.by} if order.by else {}
    ending = Progress(
        operation=operation.id,
        key="ended",
        event=order.event,
        at=order.at,
        actor=order.actor,
        state=order.state,
        stage="done",
        error=problem,
        allowed_actions=(),
        # Money that may have moved stays counted.
        releases=not order.although_begun,
        detail=problem.model_dump() | said,
    )
    await end_operation(session, ending)
    return AbandonResult(outcome="ended")
