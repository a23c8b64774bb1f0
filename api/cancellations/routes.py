"""Asking for the end of the own plan, or to take it back, and what can be asked of that while it lives."""

from fastapi import APIRouter, Response

from billing.cancellations.cancellation import CancellationInput, ReviseCancellation
from billing.core.events import EventCode
from billing.core.messages import AcceptAsInStripe
from billing.core.operations import Kind
from billing.quotes.quote import CancellationQuote

from ..http.auth import Actor, BillingAdmin, billing_admin
from ..http.context import InContext
from ..http.idempotency import IdempotencyKey
from ..http.ids import Id
from ..http.models import OperationAnswer
from ..notes import service as notes
from ..notes.problems import NOTE_WRONG, NOTES_FULL
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
from .checks import check
from .problems import CANCELLATION_PROBLEMS
from .schemas import CancellationBody, CancellationResolutionBody, CancellationStartBody

router = APIRouter(prefix="/v1/cancellations", tags=["Cancellations"])


@start_route(
    router,
    CANCELLATION_OPEN,
    PLAN_CHANGE_OPEN,
    *CANCELLATION_PROBLEMS,
    *NOTE_WRONG,
    *WITH_QUOTE,
    summary="Request a cancellation",
    body="cancellations/cancellation_body",
    accepted="cancellations/accepted",
)
async def ask(
    body: CancellationStartBody,
    caller: BillingAdmin,
    key: IdempotencyKey,
    context: InContext,
    response: Response,
) -> OperationAnswer:
    """Ends your plan with its period or now, or takes a planned end back. Answers as soon as the request and
    its note are recorded; every one needs approval.

    What Stripe can't do ends as `blocked`, with the code. A plan that ends with its period has the stage
    `ending` until then; the operation is `completed` once it has ended, and `cancelled` with the code
    `cancellation_taken_back` where somebody has taken it back, or `cancellation_overtaken` where another
    request has ended the plan sooner. While the stage is `ending`, other changes of the plan can be
    requested; before that, none can beside it.

    With a `quote`, it is what the quote showed, but for the time that has passed, or it ends as `blocked`
    with the code `quote_outdated` and nobody is asked.
    """
    wanted = body.wanted()
    draft = service.draft(context, caller, Kind.CANCELLATION, wanted, key=key, quote=body.quote)
    quote = await named_quote(context, draft, body.quote, CancellationQuote)
    async with context.database.transaction() as session:
        started = await service.find_repeated(session, draft)
        if started is None:
            organization = await check(session, caller, wanted)
            workflow_input = CancellationInput(
                operation=draft.id,
                organization=organization.id,
                subscription=organization.stripe_subscription,
                requested_by=draft.requested_by,
                wanted=wanted,
                note=notes.first_message(draft, wanted.note),
                policy=context.policy,
                quoted=quote.subject if quote is not None else None,
            )
            started = await service.start_operation(
                session,
                context,
                draft,
                rows=[notes.first(draft, wanted.note)],
                workflow_input=workflow_input,
            )
    return service.answer_started(context, caller, started, response)


add_comment_command(
    router,
    Kind.CANCELLATION,
    "cancel",
    TOO_LATE,
    by=billing_admin,
    summary="Withdraw a cancellation",
    description="Possible until it is being done in Stripe. An end that is planned there is taken back by a "
    "request of its own, with the action `take_back`.\n\n"
    "Answers 200 once it is cancelled, and 202 until then.",
    done="cancellations/withdrawn",
    pending="cancellations/in_review",
)


@command_route(
    router,
    "revision",
    NOT_REVISABLE,
    NOTES_FULL,
    *CANCELLATION_PROBLEMS,
    *NOTE_WRONG,
    summary="Revise a cancellation",
    body="cancellations/cancellation_body",
    done="cancellations/in_review",
    pending="cancellations/in_review",
)
async def revise(
    id: Id, body: CancellationBody, caller: BillingAdmin, context: InContext, response: Response
) -> OperationAnswer:
    """Send the complete request again. It is checked and reviewed again.

    If the note differs, it is added to the earlier ones.
    """
    wanted = body.wanted()
    async with context.database.transaction() as session:
        operation = await service.locked_for(session, caller, Kind.CANCELLATION, id, "revise")
        await check(session, caller, wanted)
        note = await notes.find_or_add(session, operation, caller, wanted.note)
        message = ReviseCancellation(person=caller.person, wanted=wanted, note=note)
        detail = wanted.model_dump(mode="json")
        command = Command("revise", message, EventCode.REVISION_REQUESTED, detail, shapes="revised")
        recorded = await service.record_command(session, caller, operation, command)
    return await service.answer_command(context, caller, recorded, response)


@command_route(
    router,
    "resolution",
    OWN_REQUEST,
    REQUESTERS_DELEGATE,
    NOT_RESOLVABLE,
    NOTHING_TO_RESOLVE,
    summary="Accept a cancellation that differs",
    body="cancellations/resolution_body",
    done="cancellations/mismatched",
    pending="cancellations/mismatched",
)
async def resolve(
    id: Id, body: CancellationResolutionBody, caller: Actor, context: InContext, response: Response
) -> OperationAnswer:
    """For an end of the plan that differs from what was approved, or that Stripe did not take the note of. A
    controller or Legal, but not the requester, accepts it.
    """
    message = AcceptAsInStripe(person=caller.person, comment=body.comment)
    command = service.resolution(body.action, body.comment, message)
    return await service.send_command(context, caller, Kind.CANCELLATION, id, command, response)
