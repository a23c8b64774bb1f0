"""Asking for a plan change, and what can be asked of it while it runs."""

from fastapi import APIRouter, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.messages import Cancel
from billing.core.operations import Kind
from billing.evidence import events
from billing.plan_changes.messages import Resolve, Revise
from billing.plan_changes.plans import plan_on_sale
from billing.plan_changes.rules import validate_change
from billing.plan_changes.subject import PlanChangeInput, Terms, Wanted
from db.mirror import mirror, subscription_usage
from db.tables import Operation, Organization
from workflows.core import ids

from ..http import idempotency
from ..http.auth import Actor, BillingAdmin, Caller
from ..http.context import Context, InContext
from ..http.examples import example, pending
from ..http.ids import Id
from ..http.models import CancelBody, OperationAnswer, PlanChangeBody, ResolutionBody
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations import commands_api
from ..operations.commands import Command
from ..operations.intake import Asked
from ..operations.problems import (
    NOT_CANCELLABLE,
    NOT_RESOLVABLE,
    NOT_REVISABLE,
    NOT_SYNCED,
    NOTHING_TO_RESOLVE,
    OWN_REQUEST,
    REQUESTERS_DELEGATE,
    TOO_LATE,
)
from ..problems.common import (
    ALREADY_ENDED,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_MISSING,
    IDEMPOTENCY_KEY_REUSED,
    NOT_FOUND,
    REFUSED,
    ROLE_MISSING,
)
from ..problems.problem import ApiProblem
from .problems import (
    INTERVAL_BILLS_NOW,
    INTERVAL_UNAVAILABLE,
    PLAN_CHANGE_OPEN,
    PLAN_UNAVAILABLE,
    SAME_PLAN,
    SEATS_ABOVE_PLAN,
    SEATS_BELOW_USAGE,
    SUBSCRIPTION_UNSUPPORTED,
    UNKNOWN_PLAN,
)

router = APIRouter(prefix="/v1/plan-changes", tags=["Plan changes"])

ASKED_WRONGLY = (
    UNKNOWN_PLAN,
    PLAN_UNAVAILABLE,
    SAME_PLAN,
    SEATS_BELOW_USAGE,
    SEATS_ABOVE_PLAN,
    INTERVAL_UNAVAILABLE,
    INTERVAL_BILLS_NOW,
    NOT_SYNCED,
    SUBSCRIPTION_UNSUPPORTED,
)


@router.post(
    "",
    status_code=202,
    summary="Ask for a plan change",
    responses=answers(
        {202: example("plan_changes/accepted")},
        *WITH_BODY,
        IDEMPOTENCY_KEY_MISSING,
        IDEMPOTENCY_KEY_INVALID,
        IDEMPOTENCY_KEY_REUSED,
        ROLE_MISSING,
        PLAN_CHANGE_OPEN,
        *ASKED_WRONGLY,
        headers={202: ("Location", "Idempotent-Replayed")},
    ),
    openapi_extra={
        "parameters": [idempotency.PARAMETER],
        **body_example(example("plan_changes/plan_change_body")),
    },
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
    return await commands_api.begin(context, who, key, _asked(context, who, wanted), response)


@router.post(
    "/{id}/cancel",
    summary="Cancel a plan change",
    responses=answers(
        {200: example("plan_changes/cancelled"), 202: pending(example("operations/operation"))},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        NOT_CANCELLABLE,
        TOO_LATE,
        ALREADY_ENDED,
        REFUSED,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("operations/cancel_body")),
)
async def cancel(
    id: Id, who: BillingAdmin, context: InContext, response: Response, body: CancelBody | None = None
) -> OperationAnswer:
    """200 once it is cancelled; 202 with `pending` on the way there.

    Possible until the change is being applied in Stripe, and while it waits for the period's end.
    """
    comment = body.comment if body else None
    message = Cancel(person=who.person, comment=comment)
    command = Command("cancel", message, "cancellation asked for", {"comment": comment})
    return await commands_api.tell(context, who, Kind.PLAN_CHANGE, id, "cancel", command, response)


@router.post(
    "/{id}/revision",
    summary="Revise a plan change after a reviewer asked for changes",
    responses=answers(
        {200: example("operations/operation"), 202: pending(example("operations/operation"))},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        NOT_REVISABLE,
        ALREADY_ENDED,
        REFUSED,
        *ASKED_WRONGLY,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("plan_changes/plan_change_body")),
)
async def revise(
    id: Id, body: PlanChangeBody, who: BillingAdmin, context: InContext, response: Response
) -> OperationAnswer:
    """The whole request anew; a new preview and a new round of review follow."""
    wanted = Wanted(**body.model_dump())

    async def command(session: AsyncSession, _: Operation) -> Command:
        await _sensible(session, who, wanted)
        message = Revise(person=who.person, wanted=wanted)
        detail = wanted.model_dump(mode="json")
        return Command("revise", message, events.REVISION_ASKED, detail, shapes="revised")

    return await commands_api.tell(context, who, Kind.PLAN_CHANGE, id, "revise", command, response)


@router.post(
    "/{id}/resolution",
    summary="Accept or revert a mismatch",
    responses=answers(
        {200: example("plan_changes/accepted_mismatch"), 202: pending(example("operations/operation"))},
        *WITH_BODY,
        ROLE_MISSING,
        OWN_REQUEST,
        REQUESTERS_DELEGATE,
        NOT_FOUND,
        NOT_RESOLVABLE,
        NOTHING_TO_RESOLVE,
        ALREADY_ENDED,
        REFUSED,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("plan_changes/resolution_body")),
)
async def resolve(
    id: Id, body: ResolutionBody, who: Actor, context: InContext, response: Response
) -> OperationAnswer:
    """For a change whose lines in Stripe are not those that were approved."""
    message = Resolve(person=who.person, action=body.action, comment=body.comment)
    detail = {"action": body.action, "comment": body.comment}
    command = Command("resolve", message, events.RESOLUTION_ASKED, detail)
    return await commands_api.tell(context, who, Kind.PLAN_CHANGE, id, body.action, command, response)


def _asked(context: Context, who: Caller, wanted: Wanted) -> Asked[Organization]:
    async def check(session: AsyncSession) -> Organization:
        return await _sensible(session, who, wanted)

    def message(operation: Operation, organization: Organization) -> PlanChangeInput:
        return PlanChangeInput(
            operation=operation.id,
            organization=organization.id,
            subscription=organization.stripe_subscription,
            requested_by=operation.requested_by,
            wanted=wanted,
            policy=context.policy,
        )

    return Asked(Kind.PLAN_CHANGE, wanted, ids.PLAN_CHANGE, check, message)


async def _sensible(session: AsyncSession, who: Caller, wanted: Wanted) -> Organization:
    """Raises what the mirror already knows to be impossible; the workflow asks Stripe itself."""
    organization, plans, usage = await subscription_usage.read(session, who.organization)
    held = organization.subscription
    if held is None or usage is None or not plans:
        raise ApiProblem.of(NOT_SYNCED)
    if why := held.get(mirror.UNREADABLE):
        detail = f"Your subscription in Stripe is not what a plan is. {why} Ask Plixo to mend it there."
        raise ApiProblem(SUBSCRIPTION_UNSUPPORTED, detail)
    current = Terms.model_validate({name: held[name] for name in Terms.model_fields})
    validate_change(current, wanted, plan_on_sale(plans, wanted.plan), usage)
    return organization
