"""Cases: what was given away or changed in Stripe itself, each of which owes a note."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.case import MAKER_TO_CONFIRM, CaseFound, CloseCase, ConfirmCase, TakeCase
from billing.core.events import EventCode
from billing.core.operations import Kind, Role, State
from db.cases import cases
from db.people import people
from db.tables import Case, Operation

from ..http.auth import Actor, AnyCaller, Caller, Giver
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf, OperationAnswer
from ..http.openapi import answers
from ..notes.problems import NOTE_WRONG
from ..notes.routes import add_note_routes
from ..operations import service, views
from ..operations.common_routes import command_route
from ..operations.problems import NOT_CLOSABLE, NOT_CONFIRMABLE, NOT_NAMED, NOT_TAKABLE
from ..operations.service import Command
from ..problems.common import NOT_FOUND
from ..problems.problem import ApiProblem
from .problems import DONE_BY_UNFIT, DONE_BY_UNKNOWN
from .schemas import CaseAnswer, CaseCloseBody, CaseConfirmBody, CasesQuery

router = APIRouter(prefix="/v1/cases", tags=["Cases"])


@router.get(
    "",
    summary="List cases",
    response_model=ListOf[CaseAnswer],
    responses=list_answers("cases/case", CaseAnswer),
)
async def list_cases(
    query: Annotated[CasesQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find."""
    listing = cases.paged(
        caller.organization,
        open=query.open,
        kind=query.object_kind,
        customer_id=query.customer,
        owner=query.owner,
        sort=query.sort,
    )

    async def shown(session: AsyncSession, rows: Sequence[Case]) -> list[CaseAnswer]:
        operations = await cases.of_operations(session, [row.operation_id for row in rows])
        return [_answer(row, operations[row.operation_id], caller) for row in rows]

    return await answer_list(request, context, query, listing, shown, CaseAnswer)


@router.get("/{id}", summary="Read a case", responses=answers({200: example("cases/case")}, NOT_FOUND))
async def read_case(id: Id, caller: AnyCaller, context: InContext) -> CaseAnswer:
    async with context.database.reading() as session:
        operation = await service.owned(session, caller, Kind.CASE, id)
        return _answer(await cases.get(session, id), operation, caller)


@command_route(
    router,
    "take",
    NOT_TAKABLE,
    NOT_CLOSABLE,
    summary="Take a case",
    done="cases/taken_case",
    pending="cases/taken_case",
)
async def take(id: Id, caller: Giver, context: InContext, response: Response) -> OperationAnswer:
    """You become its owner, in place of any earlier owner, and receive the reminders for its note. Answers
    202 until it is applied.
    """
    command = Command(
        "take", TakeCase(person=caller.person), EventCode.ASSIGNMENT_REQUESTED, {}, acts_at_once=True
    )
    return await service.send_command(context, caller, Kind.CASE, id, command, response)


@command_route(
    router,
    "close",
    NOT_CLOSABLE,
    DONE_BY_UNKNOWN,
    DONE_BY_UNFIT,
    *NOTE_WRONG,
    summary="Close a case",
    body="cases/close_body",
    done="cases/closed_case",
    pending="cases/taken_case",
)
async def close(
    id: Id, body: CaseCloseBody, caller: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """The note is stored in the records and in Stripe's metadata, and the amount counts toward the authority
    of the person who made the change, even if it exceeds it. If `done_by` is somebody else, the case stays
    open until they confirm. Answers 202 until it is applied.
    """
    done_by = body.done_by or caller.person
    message = CloseCase(person=caller.person, note=body.note, done_by=done_by)
    command = Command("close", message, EventCode.CLOSE_REQUESTED, {"note": body.note, "done_by": done_by})
    check = partial(_check_can_confirm, caller=caller, done_by=done_by)
    return await service.send_command(context, caller, Kind.CASE, id, command, response, check)


@command_route(
    router,
    "confirm",
    NOT_NAMED,
    NOT_CONFIRMABLE,
    NOT_CLOSABLE,
    summary="Confirm or deny a case",
    body="cases/confirm_body",
    done="cases/closed_case",
    pending="cases/taken_case",
)
async def confirm(
    id: Id, body: CaseConfirmBody, caller: Actor, context: InContext, response: Response
) -> OperationAnswer:
    """For the person whom somebody else named when closing the case. If `made` is true, the case is closed
    and counts toward your authority. Otherwise it still needs a note and counts toward nobody's authority.
    """
    message = ConfirmCase(person=caller.person, made=body.made, comment=body.comment)
    event = EventCode.MAKER_CONFIRMED if body.made else EventCode.MAKER_DENIED
    command = Command("confirm", message, event, {"made": body.made, "comment": body.comment})
    return await service.send_command(context, caller, Kind.CASE, id, command, response)


add_note_routes(
    router,
    Kind.CASE,
    description="A note in addition to the one that closes the case, before or after. It is stored in the "
    "records at once\nand then in Stripe's metadata. The same text by the same person is stored once.",
    body="cases/note_body",
    note="cases/note",
)


async def _check_can_confirm(session: AsyncSession, caller: Caller, done_by: str) -> None:
    """Nobody is named who is not there to say yes or no. Raises ApiProblem `done_by_…`."""
    if done_by == caller.person:
        return
    person = await people.get(session, caller.organization, done_by)
    if person is None:
        message = "There is no such person in your organization."
        raise ApiProblem.at(DONE_BY_UNKNOWN, message, "/done_by")
    if not person.active or Role.AUDITOR in person.roles:
        raise ApiProblem.of(DONE_BY_UNFIT)


def _answer(row: Case, operation: Operation, caller: Caller) -> CaseAnswer:
    case = CaseFound.model_validate(operation.request)
    return CaseAnswer(
        **row.model_dump(include={"owner", "done_by", "noticed_at", "deadline", "escalated_at", "closed_at"}),
        id=row.operation_id,
        object_kind=case.object_kind,
        object=case.object,
        customer=case.customer,
        amount=case.amount,
        payment_intent=case.payment_intent,
        invoice=case.invoice,
        coupon=case.coupon,
        given_on=case.given_on,
        ends_at=case.ends_at,
        state=State(operation.state),
        stage=operation.stage,
        named=(operation.result or {}).get("named") if operation.stage == MAKER_TO_CONFIRM else None,
        beyond_authority=(operation.result or {}).get("beyond_authority"),
        escalated=row.escalated_at is not None,
        allowed_actions=views.operation(operation, caller).allowed_actions,
    )
