"""Cases: refunds, credits and plan changes that were made in Stripe itself, each of which owes a note."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import CaseFound, CloseCase, ConfirmCase, TakeCase
from billing.core.operations import Kind, Role, State
from db.cases import cases
from db.people import people
from db.tables import Case, Operation

from ..http.auth import Actor, AnyCaller, Caller, Giver
from ..http.context import InContext
from ..http.examples import example, listed, pending
from ..http.ids import Id
from ..http.models import Listed, OperationAnswer
from ..http.models import Query as ListQuery
from ..http.openapi import TOLD, WITH_BODY, answers, body_example
from ..notes import service as notes
from ..notes.problems import NOTE_WRONG, NOTES_FULL
from ..notes.schemas import NoteAnswer, NoteBody
from ..operations import commands_api, views
from ..operations.commands import Command
from ..operations.problems import NOT_CLOSABLE, NOT_CONFIRMABLE, NOT_NAMED, NOT_TAKABLE
from ..problems.common import ALREADY_ENDED, INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND, REFUSED, ROLE_MISSING
from ..problems.problem import ApiProblem
from .problems import DONE_BY_UNFIT, DONE_BY_UNKNOWN
from .schemas import CaseAnswer, CaseCloseBody, CaseConfirmBody, CasesQuery

router = APIRouter(prefix="/v1/cases", tags=["Cases"])


@router.get(
    "",
    summary="List cases",
    responses=answers({200: listed(example("cases/case"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_cases(
    query: Annotated[CasesQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[CaseAnswer]:
    """The newest first."""
    async with context.database.reading() as session:
        page = await cases.page(
            session,
            who.organization,
            open=query.open,
            kind=query.object_kind,
            limit=query.limit,
            cursor=query.cursor,
        )
        found = await cases.of_operations(session, [row.operation_id for row in page.rows])
    return views.listed(page, lambda row: _answer(row, found[row.operation_id], who))


@router.get("/{id}", summary="Read a case", responses=answers({200: example("cases/case")}, NOT_FOUND))
async def read_case(id: Id, who: AnyCaller, context: InContext) -> CaseAnswer:
    async with context.database.reading() as session:
        operation = await commands_api.owned(session, who, Kind.CASE, id)
        return _answer(await cases.get(session, id), operation, who)


@router.post(
    "/{id}/take",
    summary="Take a case on",
    responses=answers(
        {200: example("cases/taken_case"), 202: pending(example("cases/taken_case"))},
        *TOLD,
        NOT_TAKABLE,
        NOT_CLOSABLE,
        also=(202, OperationAnswer),
    ),
)
async def take(id: Id, who: Giver, context: InContext, response: Response) -> OperationAnswer:
    """You become its owner, from whoever it was before, and are reminded of its note. 202: on its way."""
    command = Command("take", TakeCase(person=who.person), "taking asked for", {}, acts_at_once=True)
    return await commands_api.tell(context, who, Kind.CASE, id, "take", command, response)


@router.post(
    "/{id}/close",
    summary="Close a case with its note",
    responses=answers(
        {200: example("cases/closed_case"), 202: pending(example("cases/taken_case"))},
        *WITH_BODY,
        *TOLD,
        NOT_CLOSABLE,
        DONE_BY_UNKNOWN,
        DONE_BY_UNFIT,
        *NOTE_WRONG,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("cases/close_body")),
)
async def close(
    id: Id, body: CaseCloseBody, who: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """The note goes into the records and into Stripe's metadata, and what was given counts in the authority
    of whoever made it, even beyond it. If `done_by` is not you, it waits until they confirm that. 202 while
    on its way.
    """
    done_by = body.done_by or who.person

    async def command(session: AsyncSession, _: Operation) -> Command:
        await _can_confirm(session, who, done_by)
        message = CloseCase(person=who.person, note=body.note, done_by=done_by)
        return Command("close", message, "closing asked for", {"note": body.note, "done_by": done_by})

    return await commands_api.tell(context, who, Kind.CASE, id, "close", command, response)


async def _can_confirm(session: AsyncSession, who: Caller, done_by: str) -> None:
    """Nobody is named who is not there to say yes or no. Raises ApiProblem `done_by_…`."""
    if done_by == who.person:
        return
    named = await people.get(session, who.organization, done_by)
    if named is None:
        message = "There is no such person in your organization: name one of those of GET /v1/people."
        raise ApiProblem.at(DONE_BY_UNKNOWN, message, "/done_by")
    if not named.active or Role.AUDITOR in named.roles:
        raise ApiProblem.of(DONE_BY_UNFIT)


@router.post(
    "/{id}/confirm",
    summary="Say whether you made it",
    responses=answers(
        {200: example("cases/closed_case"), 202: pending(example("cases/taken_case"))},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        ALREADY_ENDED,
        REFUSED,
        NOT_NAMED,
        NOT_CONFIRMABLE,
        NOT_CLOSABLE,
        also=(202, OperationAnswer),
    ),
    openapi_extra=body_example(example("cases/confirm_body")),
)
async def confirm(
    id: Id, body: CaseConfirmBody, who: Actor, context: InContext, response: Response
) -> OperationAnswer:
    """By whoever somebody else's close named. With `made` it is closed, and counts in your authority;
    without, it owes its note as before, and counts in nobody's.
    """
    message = ConfirmCase(person=who.person, made=body.made, comment=body.comment)
    event = "making confirmed" if body.made else "making denied"
    command = Command("confirm", message, event, {"made": body.made, "comment": body.comment})
    return await commands_api.tell(context, who, Kind.CASE, id, "confirm", command, response)


@router.get(
    "/{id}/notes",
    summary="List a case's notes",
    responses=answers({200: listed(example("cases/note"))}, NOT_FOUND, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_notes(
    id: Id, query: Annotated[ListQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[NoteAnswer]:
    """The oldest first."""
    return await notes.listed(context, who, Kind.CASE, id, query.limit, query.cursor)


@router.post(
    "/{id}/notes",
    status_code=202,
    summary="Add a note to a case",
    responses=answers(
        {202: example("cases/note")}, *WITH_BODY, ROLE_MISSING, NOT_FOUND, NOTES_FULL, *NOTE_WRONG
    ),
    openapi_extra=body_example(example("cases/note_body")),
)
async def add_note(id: Id, body: NoteBody, who: Giver, context: InContext) -> NoteAnswer:
    """Beside the one that closes it, before or after. It is in the records now and will be in Stripe's
    metadata. The same words by the same person again are the same note.
    """
    return await notes.add(context, who, Kind.CASE, id, body.note)


def _answer(row: Case, operation: Operation, who: Caller) -> CaseAnswer:
    found = CaseFound.model_validate(operation.request)
    return CaseAnswer(
        **row.model_dump(include={"owner", "done_by", "noticed_at", "deadline", "escalated_at", "closed_at"}),
        id=row.operation_id,
        object_kind=found.object_kind,
        object=found.object,
        customer=found.customer,
        amount=found.amount,
        payment_intent=found.payment_intent,
        state=State(operation.state),
        stage=operation.stage,
        named=(operation.result or {}).get("named"),
        beyond_authority=(operation.result or {}).get("beyond_authority"),
        escalated=row.escalated_at is not None,
        allowed_actions=views.operation(operation, who).allowed_actions,
    )
