"""Asking for a refund, and what can be asked of it while it lives."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Shaping
from billing.core.messages import Cancel
from billing.core.operations import Kind
from billing.evidence import events
from billing.money.refund import RefundInput, RefundWanted, ResolveRefund, ReviseRefund
from db.tables import Operation
from workflows.core import ids

from ..http import idempotency
from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.examples import example, listed, pending
from ..http.ids import Id
from ..http.models import CancelBody, Listed, OperationAnswer
from ..http.models import Query as ListQuery
from ..http.openapi import TOLD, WITH_BODY, WITH_KEY, answers, body_example
from ..notes import service as notes
from ..notes.problems import NOTE_WRONG, NOTES_FULL
from ..notes.schemas import NoteAnswer, NoteBody
from ..operations import commands_api
from ..operations.commands import Command
from ..operations.intake import Asked
from ..operations.problems import (
    NOT_CANCELLABLE,
    NOT_RESOLVABLE,
    NOT_REVISABLE,
    NOTHING_TO_RESOLVE,
    OTHERS_AUTHORITY,
    OWN_APPROVAL,
    TOO_LATE,
)
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, INVOICE_ID_MALFORMED, NOT_FOUND, ROLE_MISSING
from . import checks as money_checks
from .problems import (
    AMOUNT_ABOVE_REFUNDABLE,
    AMOUNT_NOT_IN_STEPS,
    AMOUNT_NOT_POSITIVE,
    AMOUNT_NOT_WHOLE,
    AMOUNT_TOO_LARGE,
    FRAUD_CONFIRMATION_MISSING,
    PAYMENT_AND_INVOICE,
    PAYMENT_ID_MALFORMED,
    PAYMENT_MISSING,
    UNKNOWN_CURRENCY,
    UNKNOWN_REASON,
    WRONG_CURRENCY,
)
from .schemas import RefundBody, RefundResolutionBody

router = APIRouter(prefix="/v1/refunds", tags=["Refunds"])

ASKED_WRONGLY = (
    PAYMENT_MISSING,
    PAYMENT_AND_INVOICE,
    PAYMENT_ID_MALFORMED,
    INVOICE_ID_MALFORMED,
    AMOUNT_NOT_POSITIVE,
    AMOUNT_NOT_WHOLE,
    AMOUNT_TOO_LARGE,
    AMOUNT_NOT_IN_STEPS,
    AMOUNT_ABOVE_REFUNDABLE,
    UNKNOWN_CURRENCY,
    WRONG_CURRENCY,
    UNKNOWN_REASON,
    FRAUD_CONFIRMATION_MISSING,
    *NOTE_WRONG,
)


@router.post(
    "",
    status_code=202,
    summary="Ask for a refund",
    responses=answers(
        {202: example("money/accepted_refund")},
        *WITH_BODY,
        *WITH_KEY,
        ROLE_MISSING,
        *ASKED_WRONGLY,
        headers={202: ("Location", "Idempotent-Replayed")},
    ),
    openapi_extra={"parameters": [idempotency.PARAMETER], **body_example(example("money/refund_body"))},
)
async def ask(
    body: RefundBody,
    who: Giver,
    key: idempotency.IdempotencyKey,
    context: InContext,
    response: Response,
) -> OperationAnswer:
    """Of one payment, or of the payments of one invoice; without an amount, all that is left.

    Answers as soon as the request and its note are recorded. What Stripe can't do ends it as `blocked`;
    what is within your authority goes straight through, what is beyond it is put before approvers.
    """
    wanted = body.wanted()
    money_checks.refund_in_itself(wanted)
    return await commands_api.begin(context, who, key, _asked(context, who, wanted), response)


@router.post(
    "/{id}/cancel",
    summary="Cancel a refund",
    responses=answers(
        {200: example("money/cancelled_refund"), 202: pending(example("money/refund_in_review"))},
        *WITH_BODY,
        *TOLD,
        NOT_CANCELLABLE,
        TOO_LATE,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("operations/cancel_body")),
)
async def cancel(
    id: Id, who: Giver, context: InContext, response: Response, body: CancelBody | None = None
) -> OperationAnswer:
    """Possible until it is issued in Stripe, and while Stripe waits for the customer.

    200 once it is cancelled; 202 with `pending` on the way there.
    """
    comment = body.comment if body else None
    message = Cancel(person=who.person, comment=comment)
    command = Command("cancel", message, "cancellation asked for", {"comment": comment})
    return await commands_api.tell(context, who, Kind.REFUND, id, "cancel", command, response)


@router.post(
    "/{id}/revision",
    summary="Revise a refund after an approver asked for changes",
    responses=answers(
        {200: example("money/refund_in_review"), 202: pending(example("money/refund_in_review"))},
        *WITH_BODY,
        *TOLD,
        NOT_REVISABLE,
        NOTES_FULL,
        *ASKED_WRONGLY,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("money/refund_body")),
)
async def revise(
    id: Id, body: RefundBody, who: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """The whole request anew; it is checked and, where needed, reviewed again.

    A note that reads otherwise is added to those before it.
    """
    wanted = body.wanted()
    money_checks.refund_in_itself(wanted)

    async def command(session: AsyncSession, operation: Operation) -> Command:
        await money_checks.refund_by_mirror(session, who, wanted)
        note = await notes.said(session, operation, who, wanted.note)
        message = ReviseRefund(person=who.person, wanted=wanted, note=note)
        detail = wanted.model_dump(mode="json")
        return Command("revise", message, events.REVISION_ASKED, detail, shapes="revised")

    return await commands_api.tell(context, who, Kind.REFUND, id, "revise", command, response)


@router.post(
    "/{id}/resolution",
    summary="Try a failed refund again, or leave it at that",
    responses=answers(
        {200: example("money/failed_refund"), 202: pending(example("money/failed_refund"))},
        *WITH_BODY,
        *TOLD,
        OWN_APPROVAL,
        OTHERS_AUTHORITY,
        NOT_RESOLVABLE,
        NOTHING_TO_RESOLVE,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("money/refund_resolution_body")),
)
async def resolve(
    id: Id, body: RefundResolutionBody, who: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """`retry` asks Stripe for what did not come through once more; `close` leaves it at what did.

    A retry gives no more than was allowed and counts where it did. So nobody has tried again what they
    approved, and what went out on one person's own authority is tried again by that person alone.
    """
    message = ResolveRefund(person=who.person, action=body.action, comment=body.comment)
    detail = {"action": body.action, "comment": body.comment}
    retried: Shaping | None = "retried" if body.action == "retry" else None
    command = Command("resolve", message, events.RESOLUTION_ASKED, detail, shapes=retried)
    return await commands_api.tell(context, who, Kind.REFUND, id, body.action, command, response)


@router.get(
    "/{id}/notes",
    summary="List a refund's notes",
    responses=answers(
        {200: listed(example("money/note_on_refund"))}, NOT_FOUND, INVALID_REQUEST, INVALID_CURSOR
    ),
)
async def list_notes(
    id: Id, query: Annotated[ListQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[NoteAnswer]:
    """The oldest first."""
    return await notes.listed(context, who, Kind.REFUND, id, query.limit, query.cursor)


@router.post(
    "/{id}/notes",
    status_code=202,
    summary="Add a note to a refund",
    responses=answers(
        {202: example("money/note_on_refund")}, *WITH_BODY, ROLE_MISSING, NOT_FOUND, NOTES_FULL, *NOTE_WRONG
    ),
    openapi_extra=body_example(example("money/note_body")),
)
async def add_note(id: Id, body: NoteBody, who: Giver, context: InContext) -> NoteAnswer:
    """Notes are only ever added. It is in the records now and will be in Stripe's metadata.

    The same words by the same person again are the same note.
    """
    return await notes.add(context, who, Kind.REFUND, id, body.note)


def _asked(context: Context, who: Caller, wanted: RefundWanted) -> Asked[None]:
    async def check(session: AsyncSession) -> None:
        await money_checks.refund_by_mirror(session, who, wanted)

    def message(operation: Operation, _: None) -> RefundInput:
        return RefundInput(
            operation=operation.id,
            organization=operation.organization_id,
            requested_by=operation.requested_by,
            wanted=wanted,
            note=notes.first_message(operation, wanted.note),
            policy=context.policy,
        )

    return Asked(
        Kind.REFUND,
        wanted,
        ids.REFUND,
        check,
        message,
        along=lambda operation: notes.first(operation, wanted.note),
    )
