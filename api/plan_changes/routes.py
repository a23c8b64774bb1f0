"""Asking for a plan change, and what can be asked of it while it runs."""

from functools import partial

from fastapi import APIRouter, Response

from billing.core.events import EventCode
from billing.core.operations import Kind
from billing.plan_changes.messages import Resolve, Revise
from billing.plan_changes.subject import PlanChangeInput, PlanChangeRequest
from billing.quotes.quote import PlanChangeQuote
from db.operations import operations

from ..http import idempotency
from ..http.auth import Actor, BillingAdmin, billing_admin
from ..http.context import InContext
from ..http.ids import Id
from ..http.models import OperationAnswer, ResolutionBody
from ..operations import service
from ..operations.common_routes import add_comment_command, command_route, start_route
from ..operations.problems import (
    CANCELLATION_OPEN,
    NOT_RESOLVABLE,
    NOT_REVISABLE,
    NOTHING_TO_RESOLVE,
    OWN_REQUEST,
    PLAN_CHANGE_OPEN,
    REQUESTERS_DELEGATE,
    TOO_LATE,
)
from ..operations.service import Command
from ..quotes.problems import WITH_QUOTE
from ..quotes.service import named_quote
from .checks import check_by_mirror, check_revision, replaceable
from .problems import REQUEST_PROBLEMS
from .schemas import PlanChangeBody, PlanChangeStartBody

router = APIRouter(prefix="/v1/plan-changes", tags=["Plan changes"])


@start_route(
    router,
    PLAN_CHANGE_OPEN,
    CANCELLATION_OPEN,
    *REQUEST_PROBLEMS,
    *WITH_QUOTE,
    summary="Request a plan change",
    body="plan_changes/plan_change_body",
    accepted="plan_changes/accepted",
)
async def ask(
    body: PlanChangeStartBody,
    caller: BillingAdmin,
    key: idempotency.IdempotencyKey,
    context: InContext,
    response: Response,
) -> OperationAnswer:
    """Answers as soon as the request is recorded; the preview, review and the change itself follow.

    With a `quote`, the change is exactly what the quote showed, or it ends as `blocked` with the code
    `quote_outdated` and nobody is asked.

    Only one plan change can be open at a time, and none beside a cancellation that is not planned in Stripe
    yet. But one at `period_end` takes the place of another which waits for that: the quote and what is
    approved say so (`replaces`), and the other one ends as `cancelled` with the code `replaced` once this is
    approved. The same Idempotency-Key with the same body returns the same operation, in its current state.
    """
    wanted = body.wanted()
    draft = service.draft(context, caller, Kind.PLAN_CHANGE, wanted, key=key, quote=body.quote)
    quote = await named_quote(context, draft, body.quote, PlanChangeQuote)
    async with context.database.transaction() as session:
        started = await service.find_repeated(session, draft)
        if started is None:
            organization = await check_by_mirror(session, caller, wanted, context.policy.plan_change.add_ons)
            in_progress = await operations.changing_subscription(session, organization.id)
            if (waiting := replaceable(wanted, in_progress)) is not None:
                draft.replaces = waiting.id
            workflow_input = PlanChangeInput(
                operation=draft.id,
                organization=organization.id,
                subscription=organization.stripe_subscription,
                requested_by=draft.requested_by,
                wanted=wanted,
                policy=context.policy,
                quoted=quote.subject if quote is not None else None,
            )
            started = await service.start_operation(
                session, context, draft, workflow_input=workflow_input, changing=in_progress
            )
    return service.answer_started(context, caller, started, response)


add_comment_command(
    router,
    Kind.PLAN_CHANGE,
    "cancel",
    TOO_LATE,
    by=billing_admin,
    summary="Cancel a plan change",
    description="Possible until the change is being applied in Stripe, and while it waits for the end of the "
    "period.\n\n"
    "Answers 200 once it is cancelled, and 202 with `pending` until then.",
    done="plan_changes/cancelled",
    pending="operations/operation",
)


@command_route(
    router,
    "revision",
    NOT_REVISABLE,
    PLAN_CHANGE_OPEN,
    *REQUEST_PROBLEMS,
    summary="Revise a plan change",
    body="plan_changes/plan_change_body",
    done="operations/operation",
    pending="operations/operation",
)
async def revise(
    id: Id, body: PlanChangeBody, caller: BillingAdmin, context: InContext, response: Response
) -> OperationAnswer:
    """Send the complete request again; a new preview and a new round of review follow."""
    wanted = PlanChangeRequest(**body.model_dump())
    message, detail = Revise(person=caller.person, wanted=wanted), wanted.model_dump(mode="json")
    command = Command("revise", message, EventCode.REVISION_REQUESTED, detail, shapes="revised")
    offered = context.policy.plan_change.add_ons
    check = partial(check_revision, caller=caller, wanted=wanted, offered=offered, operation=id)
    return await service.send_command(context, caller, Kind.PLAN_CHANGE, id, command, response, check)


@command_route(
    router,
    "resolution",
    OWN_REQUEST,
    REQUESTERS_DELEGATE,
    NOT_RESOLVABLE,
    NOTHING_TO_RESOLVE,
    summary="Resolve a plan change's mismatch",
    body="plan_changes/resolution_body",
    done="plan_changes/accepted_mismatch",
    pending="operations/operation",
)
async def resolve(
    id: Id, body: ResolutionBody, caller: Actor, context: InContext, response: Response
) -> OperationAnswer:
    """For a change whose lines in Stripe differ from those that were approved, or could not be read: accept
    it, revert it, or have it read again.

    `result.revert` is what a revert would do, as Stripe previews it. It is done only while that holds:
    otherwise the change is `mismatched` again, with what it would do by then. `result.reverted` is what it
    did.
    """
    message = Resolve(person=caller.person, action=body.action, comment=body.comment)
    command = service.resolution(body.action, body.comment, message)
    return await service.send_command(context, caller, Kind.PLAN_CHANGE, id, command, response)
