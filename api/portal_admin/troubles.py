"""Customers who can't open an invoice: noticed, reported, followed until they are in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.operations import CUSTOMER, Kind, State
from billing.portal.trouble import (
    Cause,
    CloseTrouble,
    GotIn,
    How,
    PortalAccessInput,
    TroubleWanted,
    deadline,
    settled,
)
from db.core import timeline
from db.core.timeline import NewEvent
from db.mirror import mirror
from db.operations import outbox
from db.portal import troubles
from db.tables import Invoice, Operation, Outbox, PortalTrouble
from workflows.core import ids

from ..dispatch.dispatcher import HEAD_START
from ..http import idempotency
from ..http.auth import AnyCaller, BillingAdmin, Caller, Giver
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.ids import Id
from ..http.models import DOWNWARDS, Answer, Body, InvoiceId, ListOf, OperationAnswer, OtherId, Reason
from ..http.models import Query as ListQuery
from ..notes.problems import NOTE_WRONG
from ..notes.schemas import NoteText
from ..operations import service, views
from ..operations.common_routes import command_route, start_route
from ..operations.problems import NOT_CLOSABLE
from ..operations.service import Command, StartedOperation
from ..problems.common import INVOICE_ID_MALFORMED
from ..problems.problem import ApiProblem
from .problems import INVOICE_SETTLED, PORTAL_INVOICE_UNKNOWN, PORTAL_TROUBLE_OPEN

router = APIRouter(prefix="/v1/portal-troubles", tags=["Portal"])


class TroubleBody(Body):
    """A problem that a customer reported to you."""

    invoice: InvoiceId = Field(description="An invoice from GET /v1/invoices")
    description: Reason = Field(description="What happens, as the customer describes it")


class CloseBody(Body):
    note: NoteText = Field(description="How it was resolved")


class TroublesQuery(ListQuery):
    open: bool | None = Field(default=None, description="true: only open troubles")
    invoice: OtherId | None = None
    customer: OtherId | None = None
    sort: troubles.TroubleSort = Field(default="-noticed_at", description=DOWNWARDS)


class TroubleAnswer(Answer):
    """`id` is the id of its operation, which has the diagnosis and the timeline."""

    id: str
    invoice: str
    customer: str
    cause: Cause
    state: State
    noticed_at: datetime
    deadline: datetime = Field(
        description="The end of the business day, by which the customer should have access"
    )
    escalated: bool = Field(description="Whether the controller was told")
    escalated_at: datetime | None
    closed_at: datetime | None
    how: How | None = Field(description="How it ended")
    allowed_actions: list[Literal["close"]] = Field(description="Actions that you may take now")


@start_route(
    router,
    INVOICE_ID_MALFORMED,
    PORTAL_INVOICE_UNKNOWN,
    PORTAL_TROUBLE_OPEN,
    INVOICE_SETTLED,
    summary="Report a portal trouble",
    body="portal_admin/trouble_body",
    accepted="portal_admin/accepted_trouble",
)
async def report(
    body: TroubleBody,
    caller: BillingAdmin,
    key: idempotency.IdempotencyKey,
    context: InContext,
    response: Response,
) -> OperationAnswer:
    """The problem is diagnosed immediately, a new link is mailed if that fixes it, and the controller is told
    before the end of the business day. It closes when the customer opens the page or the invoice is paid."""
    async with context.database.transaction() as session:
        invoice = await _known_invoice(session, caller, body.invoice)
        wanted = TroubleWanted(
            invoice=invoice.id, customer=invoice.customer_id, cause="reported", description=body.description
        )
        draft = _draft(context, caller, wanted, key=key)
        # Locked before it is looked for: of two reports at the same moment the second finds the first.
        await troubles.lock(session, invoice.id)
        started = await service.find_repeated(session, draft)
        if started is None:
            await _check_reportable(session, invoice)
            started = await _start(session, context, draft, wanted)
    return service.answer_started(context, caller, started, response)


async def _known_invoice(session: AsyncSession, caller: Caller, invoice_id: str) -> Invoice:
    """Raises ApiProblem `portal_invoice_unknown`."""
    invoice = await mirror.invoice(session, caller.organization, invoice_id)
    if invoice is None:
        message = "There is no such invoice: choose another one."
        raise ApiProblem.at(PORTAL_INVOICE_UNKNOWN, message, "/invoice")
    return invoice


async def _check_reportable(session: AsyncSession, invoice: Invoice) -> None:
    """Raises ApiProblem `invoice_settled` and `portal_trouble_open`. The invoice is locked."""
    if settled(invoice.status):
        raise ApiProblem(INVOICE_SETTLED, f"This invoice is {invoice.status}: nobody needs access to pay it.")
    earlier = await troubles.open_one(session, invoice.id)
    if earlier is not None:
        raise ApiProblem(
            PORTAL_TROUBLE_OPEN,
            f"A portal trouble ({earlier.operation_id}) is already open for this invoice: follow that one.",
            more={"portal_trouble": earlier.operation_id},
        )


@router.get(
    "",
    summary="List portal troubles",
    response_model=ListOf[TroubleAnswer],
    responses=list_answers("portal_admin/trouble", TroubleAnswer),
)
async def list_troubles(
    query: Annotated[TroublesQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find."""
    listing = troubles.paged(
        caller.organization,
        open=query.open,
        invoice_id=query.invoice,
        customer_id=query.customer,
        sort=query.sort,
    )

    async def shown(session: AsyncSession, rows: Sequence[PortalTrouble]) -> list[TroubleAnswer]:
        operations = await troubles.of_operations(session, [row.operation_id for row in rows])
        return [_answer(row, operations[row.operation_id], caller) for row in rows]

    return await answer_list(request, context, query, listing, shown, TroubleAnswer)


@command_route(
    router,
    "close",
    NOT_CLOSABLE,
    *NOTE_WRONG,
    summary="Close a portal trouble",
    body="portal_admin/trouble_close_body",
    done="portal_admin/open_trouble",
    pending="portal_admin/open_trouble",
)
async def close(
    id: Id, body: CloseBody, caller: Giver, context: InContext, response: Response
) -> OperationAnswer:
    """For a trouble resolved other than by the customer opening the page. Answers 202 until it is applied."""
    message = CloseTrouble(person=caller.person, note=body.note)
    command = Command("close", message, EventCode.CLOSE_REQUESTED, {"note": body.note})
    return await service.send_command(context, caller, Kind.PORTAL_ACCESS, id, command, response)


async def notice(
    session: AsyncSession, context: Context, *, invoice: Invoice, cause: Cause, at: datetime
) -> Outbox | None:
    """Open a trouble with the caller's transaction; hand the row over to the dispatcher after the commit.

    None when one is open, whose timeline then says that it was noticed again, and for an invoice that
    nobody has to pay any more.
    """
    if settled(invoice.status):
        return None
    await troubles.lock(session, invoice.id)
    earlier = await troubles.open_one(session, invoice.id)
    if earlier is not None:
        if earlier.cause != cause:  # else a customer who tries a hundred times makes a hundred events
            await timeline.append(
                session,
                earlier.operation_id,
                key=f"again:{cause}",
                event=EventCode.TROUBLE_NOTICED_AGAIN,
                actor=CUSTOMER,
                at=at,
                detail={"cause": cause},
            )
        return None
    customer = Caller(person=CUSTOMER, organization=invoice.organization_id, roles=frozenset())
    wanted = TroubleWanted(invoice=invoice.id, customer=invoice.customer_id, cause=cause)
    draft = _draft(context, customer, wanted, key=None, at=at)
    return (await _start(session, context, draft, wanted)).start


async def got_in(session: AsyncSession, *, invoice_id: str, at: datetime) -> Outbox | None:
    """The customer has opened the page: with the caller's transaction, what tells the open trouble so.

    None without one, or when it has been told. Hand the row over to the dispatcher after the commit.
    """
    trouble = await troubles.open_one(session, invoice_id)
    if trouble is None:
        return None
    row = await outbox.enqueue(
        session,
        action=outbox.UPDATE,
        workflow_id=ids.operation_workflow(trouble.operation_id),
        name="got_in",
        payload=GotIn(at=at).model_dump(mode="json"),
        at=at,
        # The first time is enough: the others find this row.
        update_id=f"got-in-{trouble.operation_id}",
        due_at=at + HEAD_START,
    )
    return row if row.state == outbox.PENDING else None


def _draft(
    context: Context, caller: Caller, wanted: TroubleWanted, *, key: str | None, at: datetime | None = None
) -> Operation:
    return service.draft(
        context, caller, Kind.PORTAL_ACCESS, wanted, key=key, at=at, allowed_actions=("close",)
    )


async def _start(
    session: AsyncSession, context: Context, draft: Operation, wanted: TroubleWanted
) -> StartedOperation:
    """The trouble of that operation, on the clock of a business day."""
    at = draft.created_at
    until = deadline(context.policy, at)
    row = PortalTrouble(
        operation_id=draft.id,
        organization_id=draft.organization_id,
        customer_id=wanted.customer,
        invoice_id=wanted.invoice,
        cause=wanted.cause,
        noticed_at=at,
        deadline=until,
    )
    detail = {"cause": wanted.cause, "deadline": until.isoformat()}
    event = NewEvent("noticed", EventCode.TROUBLE_NOTICED, draft.requested_by, at, detail)
    workflow_input = PortalAccessInput(
        organization=draft.organization_id,
        operation=draft.id,
        invoice=wanted.invoice,
        customer=wanted.customer,
        cause=wanted.cause,
        reported_by=draft.requested_by,
        comment=wanted.description,
        policy=context.policy,
        noticed_at=at,
        deadline=until,
    )
    return await service.start_operation(
        session, context, draft, rows=[(row, event)], workflow_input=workflow_input
    )


def _answer(row: PortalTrouble, operation: Operation, caller: Caller) -> TroubleAnswer:
    return TroubleAnswer(
        **row.model_dump(include={"cause", "noticed_at", "deadline", "escalated_at", "closed_at", "how"}),
        id=row.operation_id,
        invoice=row.invoice_id,
        customer=row.customer_id,
        state=State(operation.state),
        escalated=row.escalated_at is not None,
        allowed_actions=views.operation(operation, caller).allowed_actions,
    )
