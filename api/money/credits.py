"""Asking for a credit, and what can be asked of it while it lives."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.messages import Cancel
from billing.core.operations import Kind
from billing.evidence import events
from billing.money.credit import AcceptCredit, CreditInput, CreditWanted, ReviseCredit
from db.tables import Operation
from workflows.core import ids

from ..http import idempotency
from ..http.auth import Actor, AnyCaller, Caller, Giver
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
    OWN_REQUEST,
    REQUESTERS_DELEGATE,
    TOO_LATE,
)
from ..problems.common import (
    CUSTOMER_UNKNOWN,
    INVALID_CURSOR,
    INVALID_REQUEST,
    INVOICE_ID_MALFORMED,
    NOT_FOUND,
    ROLE_MISSING,
)
from . import checks as money_checks
from .problems import (
    AMOUNT_ABOVE_CREDITABLE,
    AMOUNT_NOT_IN_STEPS,
    AMOUNT_NOT_POSITIVE,
    AMOUNT_NOT_WHOLE,
    AMOUNT_TOO_LARGE,
    CUSTOMER_ID_MALFORMED,
    INSTRUMENT_UNFIT,
    INVOICE_MISSING,
    INVOICE_NOT_CREDITABLE,
    INVOICE_NOT_FOR_BALANCE,
    INVOICE_UNKNOWN,
    UNKNOWN_CURRENCY,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_REASON,
    WRONG_CURRENCY,
)
from .schemas import CreditBody, CreditResolutionBody

router = APIRouter(prefix="/v1/credits", tags=["Credits"])

ASKED_WRONGLY = (
    CUSTOMER_ID_MALFORMED,
    CUSTOMER_UNKNOWN,
    INVOICE_ID_MALFORMED,
    INVOICE_UNKNOWN,
    INVOICE_MISSING,
    INVOICE_NOT_FOR_BALANCE,
    INVOICE_NOT_CREDITABLE,
    INSTRUMENT_UNFIT,
    UNKNOWN_INSTRUMENT,
    AMOUNT_NOT_POSITIVE,
    AMOUNT_NOT_WHOLE,
    AMOUNT_TOO_LARGE,
    AMOUNT_NOT_IN_STEPS,
    AMOUNT_ABOVE_CREDITABLE,
    UNKNOWN_CURRENCY,
    WRONG_CURRENCY,
    UNKNOWN_REASON,
    *NOTE_WRONG,
)


@router.post(
    "",
    status_code=202,
    summary="Ask for a credit",
    responses=answers(
        {202: example("money/accepted_credit")},
        *WITH_BODY,
        *WITH_KEY,
        ROLE_MISSING,
        *ASKED_WRONGLY,
        headers={202: ("Location", "Idempotent-Replayed")},
    ),
    openapi_extra={"parameters": [idempotency.PARAMETER], **body_example(example("money/credit_body"))},
)
async def ask(
    body: CreditBody,
    who: Giver,
    key: idempotency.IdempotencyKey,
    context: InContext,
    response: Response,
) -> OperationAnswer:
    """On the customer's balance, for the next bills, or as a credit note that corrects one invoice.

    Answers as soon as the request and its note are recorded. What Stripe can't do ends it as `blocked`;
    what is within your authority goes straight through, what is beyond it is put before approvers.
    """
    wanted = body.wanted()
    money_checks.credit_in_itself(wanted)
    return await commands_api.begin(context, who, key, _asked(context, who, wanted), response)


@router.post(
    "/{id}/cancel",
    summary="Cancel a credit",
    responses=answers(
        {200: example("money/cancelled_credit"), 202: pending(example("money/credit_in_review"))},
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
    """Possible until it is given in Stripe. 200 once it is cancelled, 202 on the way there."""
    comment = body.comment if body else None
    message = Cancel(person=who.person, comment=comment)
    command = Command("cancel", message, "cancellation asked for", {"comment": comment})
    return await commands_api.tell(context, who, Kind.CREDIT, id, "cancel", command, response)


@router.post(
    "/{id}/revision",
    summary="Revise a credit after an approver asked for changes",
    responses=answers(
        {200: example("money/credit_in_review"), 202: pending(example("money/credit_in_review"))},
        *WITH_BODY,
        *TOLD,
        NOT_REVISABLE,
        NOTES_FULL,
        *ASKED_WRONGLY,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("money/credit_body")),
)
async def revise(
    id: Id, body: CreditBody, who: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """The whole request anew; it is checked and, where needed, reviewed again.

    A note that reads otherwise is added to those before it.
    """
    wanted = body.wanted()
    money_checks.credit_in_itself(wanted)

    async def command(session: AsyncSession, operation: Operation) -> Command:
        await money_checks.credit_by_mirror(session, who, wanted)
        note = await notes.said(session, operation, who, wanted.note)
        message = ReviseCredit(person=who.person, wanted=wanted, note=note)
        detail = wanted.model_dump(mode="json")
        return Command("revise", message, events.REVISION_ASKED, detail, shapes="revised")

    return await commands_api.tell(context, who, Kind.CREDIT, id, "revise", command, response)


@router.post(
    "/{id}/resolution",
    summary="Accept a credit as Stripe has it",
    responses=answers(
        {200: example("money/mismatched_credit"), 202: pending(example("money/mismatched_credit"))},
        *WITH_BODY,
        *TOLD,
        OWN_REQUEST,
        REQUESTERS_DELEGATE,
        NOT_RESOLVABLE,
        NOTHING_TO_RESOLVE,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("money/credit_resolution_body")),
)
async def resolve(
    id: Id, body: CreditResolutionBody, who: Actor, context: InContext, response: Response
) -> OperationAnswer:
    """For a credit that came out other than agreed: a controller or Legal, not the requester, accepts it."""
    message = AcceptCredit(person=who.person, comment=body.comment)
    detail = {"action": body.action, "comment": body.comment}
    command = Command("resolve", message, events.RESOLUTION_ASKED, detail)
    return await commands_api.tell(context, who, Kind.CREDIT, id, body.action, command, response)


@router.get(
    "/{id}/notes",
    summary="List a credit's notes",
    responses=answers(
        {200: listed(example("money/note_on_credit"))}, NOT_FOUND, INVALID_REQUEST, INVALID_CURSOR
    ),
)
async def list_notes(
    id: Id, query: Annotated[ListQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[NoteAnswer]:
    """The oldest first."""
    return await notes.listed(context, who, Kind.CREDIT, id, query.limit, query.cursor)


@router.post(
    "/{id}/notes",
    status_code=202,
    summary="Add a note to a credit",
    responses=answers(
        {202: example("money/note_on_credit")},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        NOTES_FULL,
        *NOTE_WRONG,
    ),
    openapi_extra=body_example(example("money/note_body")),
)
async def add_note(id: Id, body: NoteBody, who: Giver, context: InContext) -> NoteAnswer:
    """Notes are only ever added. It is in the records now and will be in Stripe's metadata.

    The same words by the same person again are the same note.
    """
    return await notes.add(context, who, Kind.CREDIT, id, body.note)


def _asked(context: Context, who: Caller, wanted: CreditWanted) -> Asked[None]:
    async def check(session: AsyncSession) -> None:
        await money_checks.credit_by_mirror(session, who, wanted)

    def message(operation: Operation, _: None) -> CreditInput:
        return CreditInput(
            operation=operation.id,
            organization=operation.organization_id,
            requested_by=operation.requested_by,
            wanted=wanted,
            note=notes.first_message(operation, wanted.note),
            policy=context.policy,
        )

    return Asked(
        Kind.CREDIT,
        wanted,
        ids.CREDIT,
        check,
        message,
        along=lambda operation: notes.first(operation, wanted.note),
    )
