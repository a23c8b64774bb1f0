"""Asking for a plan change, and what can be asked of it while it runs."""

from fastapi import APIRouter, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.messages import Cancel, Resolve, Revise
from billing.operations import Kind
from billing.plan_change import Wanted
from db import operations
from db.tables import Operation

from . import actions, commands, examples, idempotency, intake, views
from .auth import AnyCaller, BillingAdmin, Caller
from .commands import Command
from .context import Context, InContext, now
from .ids import Id
from .models import CancelBody, OperationAnswer, PlanChangeBody, ResolutionBody
from .openapi import WITH_BODY, answers, body_example
from .problems import not_found, refused_by_workflow

router = APIRouter(prefix="/v1/plan-changes", tags=["Plan changes"])

ASKED_WRONGLY = (
    "unknown_plan",
    "same_plan",
    "seats_below_usage",
    "seats_above_plan",
    "interval_unavailable",
    "interval_bills_now",
    "not_synced",
)


@router.post(
    "",
    status_code=202,
    summary="Ask for a plan change",
    responses=answers(
        {202: examples.ACCEPTED_OPERATION},
        *WITH_BODY,
        "idempotency_key_missing",
        "idempotency_key_invalid",
        "idempotency_key_reused",
        "role_missing",
        "plan_change_open",
        *ASKED_WRONGLY,
        headers={202: ("Location", "Idempotent-Replayed")},
    ),
    openapi_extra={"parameters": [idempotency.PARAMETER], **body_example(examples.PLAN_CHANGE)},
)
async def ask(
    body: PlanChangeBody,
    who: BillingAdmin,
    key: idempotency.IdempotencyKey,
    context: InContext,
    response: Response,
) -> OperationAnswer:
    """Answers as soon as the request is recorded; the preview, review and the change itself follow.

    One plan change can be open at a time. The same Idempotency-Key with the same body answers with the
    same operation, however far that has come.
    """
    wanted = Wanted(**body.model_dump())
    async with context.database.transaction() as session:
        operation, start = await intake.accept(session, context, who, key, wanted, now())
    if start:
        context.dispatcher.hand_over(start)
    else:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Location"] = f"/v1/operations/{operation.id}"
    return views.operation(operation, who)


@router.post(
    "/{id}/cancel",
    summary="Cancel a plan change",
    responses=answers(
        {200: examples.OPERATION, 202: examples.PENDING_OPERATION},
        *WITH_BODY,
        "role_missing",
        "not_found",
        "not_cancellable",
        "too_late",
        "already_ended",
        "refused",
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(examples.CANCEL),
)
async def cancel(
    id: Id, who: BillingAdmin, context: InContext, response: Response, body: CancelBody | None = None
) -> OperationAnswer:
    """200 once its workflow has taken it: it then ends as cancelled. 202 with `pending` on the way there.

    Possible until the change is being applied in Stripe, and while it waits for the period's end.
    """
    comment = body.comment if body else None
    message = Cancel(person=who.person, comment=comment)
    command = Command("cancel", "cancel", message, "cancellation asked for", {"comment": comment})
    return await _tell(context, who, id, command, response)


@router.post(
    "/{id}/revision",
    summary="Revise a plan change after a reviewer asked for changes",
    responses=answers(
        {200: examples.OPERATION, 202: examples.PENDING_OPERATION},
        *WITH_BODY,
        "role_missing",
        "not_found",
        "not_revisable",
        "already_ended",
        "refused",
        *ASKED_WRONGLY,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(examples.PLAN_CHANGE),
)
async def revise(
    id: Id, body: PlanChangeBody, who: BillingAdmin, context: InContext, response: Response
) -> OperationAnswer:
    """The whole request anew; a new preview and a new round of review follow."""
    wanted = Wanted(**body.model_dump())
    async with context.database.reading() as session:
        actions.check(await _owned(session, who, id), "revise", who)
        await intake.check_sensible(session, who, wanted)
    message = Revise(person=who.person, wanted=wanted)
    command = Command("revise", "revise", message, "revision asked for", wanted.model_dump(mode="json"))
    return await _tell(context, who, id, command, response)


@router.post(
    "/{id}/resolution",
    summary="Accept or revert a mismatch",
    responses=answers(
        {200: examples.OPERATION, 202: examples.PENDING_OPERATION},
        *WITH_BODY,
        "role_missing",
        "own_request",
        "not_found",
        "not_resolvable",
        "nothing_to_resolve",
        "already_ended",
        "refused",
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(examples.RESOLUTION),
)
async def resolve(
    id: Id, body: ResolutionBody, who: AnyCaller, context: InContext, response: Response
) -> OperationAnswer:
    """For a change whose lines in Stripe are not those that were approved."""
    message = Resolve(person=who.person, action=body.action, comment=body.comment)
    detail = {"action": body.action, "comment": body.comment}
    command = Command(body.action, "resolve", message, "resolution asked for", detail)
    return await _tell(context, who, id, command, response)


async def _owned(session: AsyncSession, who: Caller, id_: str) -> Operation:
    operation = await operations.get(session, who.organization, id_)
    if operation is None or operation.kind != Kind.PLAN_CHANGE.value:
        raise not_found()
    return operation


async def _tell(
    context: Context, who: Caller, id_: str, command: Command, response: Response
) -> OperationAnswer:
    async with context.database.transaction() as session:
        operation = await _owned(session, who, id_)
        actions.check(operation, command.action, who)
        row = await commands.record(session, operation, who.person, command, now())
    delivery = await context.dispatcher.outcome(row)
    if delivery.outcome == "refused":
        raise refused_by_workflow(delivery.problem)
    async with context.database.reading() as session:
        operation = await _owned(session, who, id_)
    pending = delivery.outcome == "later"
    response.status_code = 202 if pending else 200
    return views.operation(operation, who, pending=pending)
