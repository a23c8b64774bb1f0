"""Delivers what the outbox holds: the API right after its commit, the worker's sweep whatever is left."""

import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.delivery import Delivery
from billing.core.events import EventCode
from billing.core.operations import SYSTEM, Problem, State
from billing.mail.messages import MailRequest

from ..core import timeline
from ..core.alone import what
from ..core.clock import Clock
from ..core.session import Database, concerns_everybody
from ..operations import outbox
from ..tables import Operation, Outbox
from ..tracing import trace

log = logging.getLogger(__name__)

ALREADY_ENDED = "already_ended"

Send = Callable[[Outbox], Awaitable[Delivery]]


async def deliver(database: Database, send: Send, row: Outbox, now: datetime) -> Delivery:
    """Sends one row and settles it. What can't be known to have arrived is tried again later."""
    with trace.continued(row.traceparent):
        delivery = await send(row)
    if delivery.outcome == "refused":
        async with database.transaction() as session:
            delivery = await _refused(session, row, delivery, now)
            await _settle(session, row, delivery, now)
    elif not delivery.settled:
        async with database.statement() as session:
            await _settle(session, row, delivery, now)
    return delivery


async def _settle(session: AsyncSession, row: Outbox, delivery: Delivery, now: datetime) -> None:
    """In one statement."""
    problem = delivery.problem
    if delivery.outcome == "delivered":
        await outbox.settle_delivered(session, row.id, at=now)
    elif delivery.outcome == "later":
        reason = problem.code if problem else "unknown"
        await outbox.postpone(session, row, at=now, error=reason, after=delivery.after)
    elif problem is not None:
        await outbox.settle_refused(session, row.id, at=now, error=f"{problem.code}: {problem.message}")


async def _refused(session: AsyncSession, row: Outbox, delivery: Delivery, now: datetime) -> Delivery:
    """What a refusal comes to by the records; the answer to an earlier delivery may have been lost.

    A cancellation of what was cancelled counts. A signal only tells a workflow what the records have: it says
    nothing new to one that is over.
    """
    if await _goes_on(session, row, delivery):
        return delivery.model_copy(update={"outcome": "later"})
    problem = delivery.problem or Problem(code="refused", message="It was refused.")
    counts = row.action == outbox.SIGNAL and problem.code == ALREADY_ENDED
    if row.name == "cancel":
        operation = await session.get(Operation, _operation_of(row))
        counts = operation is not None and operation.state == State.CANCELLED
    if counts:
        return Delivery(outcome="delivered")
    if row.action == outbox.MAIL:
        await _tell_mail_given_up(session, row, now)
    else:
        await _tell_refused(session, row, problem, now)
    return Delivery(outcome="refused", problem=problem)


async def _tell_refused(session: AsyncSession, row: Outbox, problem: Problem, now: datetime) -> None:
    """A person's command is on the timeline since it was accepted: there it says as well that it came to
    nothing, and why."""
    operation_id, command = _operation_of(row), outbox.command_key(row.name, row.update_id)
    asked = await timeline.find(session, operation_id, command)
    if asked is None:
        return
    await timeline.append(
        session,
        operation_id,
        key=f"{command}:refused",
        event=EventCode.COMMAND_REFUSED,
        actor=asked.actor,
        at=now,
        detail={"command": command, "event": asked.code} | problem.model_dump(),
    )


async def _tell_mail_given_up(session: AsyncSession, row: Outbox, now: datetime) -> None:
    """Whoever has read that somebody is told of something learns there as well that not all of them were; who
    has the mail all the same, other events say. A mail of no operation has no timeline."""
    mail = MailRequest.model_validate(row.payload)
    if not mail.operation:
        return
    people = [*mail.people, *([mail.person] if mail.person else [])]
    await timeline.append(
        session,
        mail.operation,
        key=f"mail given up:{mail.key}",
        event=EventCode.MAIL_GIVEN_UP,
        actor=SYSTEM,
        at=now,
        detail={"template": mail.template, "roles": list(mail.roles), "people": people, "error": row.error},
    )


def _operation_of(row: Outbox) -> str:
    return row.workflow_id.removeprefix("operation-")


async def _goes_on(session: AsyncSession, row: Outbox, delivery: Delivery) -> bool:
    """Whether what it is for is open although its workflow is over: it ends, or runs again, in a moment, and
    what somebody has said until then is neither lost nor refused.
    """
    if row.action == outbox.START or delivery.problem is None or delivery.problem.code != ALREADY_ENDED:
        return False
    kind, _, id_ = row.workflow_id.partition("-")
    if kind == "operation":
        operation = await session.get(Operation, id_)
        return operation is not None and operation.closed_at is None
    return False


async def claim_due(
    database: Database,
    at: datetime,
    limit: int,
    under_way: Collection[str] = (),
    lane: outbox.Lane = outbox.TEMPORAL,
) -> list[list[Outbox]]:
    """Claims what is due, `limit` rows at most and none that is `under_way`: each workflow's in order, for
    `deliver_in_order`."""
    if database.is_sqlite:
        async with database.reading() as session:  # without its write lock, while nothing is due
            if not await outbox.anything_due(session, at, under_way, lane):
                return []
    async with database.statement() as session:
        rows = await outbox.due(session, at, limit, under_way, lane)
    by_workflow: dict[str, list[Outbox]] = {}
    for row in rows:
        by_workflow.setdefault(row.workflow_id, []).append(row)
    return list(by_workflow.values())


async def deliver_in_order(database: Database, send: Send, rows: list[Outbox], now: Clock) -> None:
    """A workflow is started before it is sent what came after.

    A delivery that breaks is noted at its row and tried again later, before those that follow it. Raises what
    says that the records are away; those claims run out.
    """
    for row in rows:
        try:
            await deliver(database, send, row, now())
        except Exception as error:
            if concerns_everybody(error):
                raise
            log.exception("could not deliver outbox row %s for %s", row.id, row.workflow_id)
            async with database.statement() as session:
                await outbox.postpone(session, row, at=now(), error=what(error))
            return
