"""Everything that was asked for, how far it is and what happened to it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from db.core import timeline
from db.core.pages import FewRows
from db.operations import lists, operations
from db.operations.lists import OperationFilter
from db.tables import Operation

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import EventAnswer, ListOf, OldestFirst, OperationAnswer
from ..http.openapi import answers
from ..problems.common import NOT_FOUND
from ..problems.problem import existing
from . import views
from .schemas import OperationsQuery

router = APIRouter(prefix="/v1/operations", tags=["Operations"])


@router.get(
    "",
    summary="List operations",
    response_model=ListOf[OperationAnswer],
    responses=list_answers("operations/operation", OperationAnswer),
)
async def list_operations(
    query: Annotated[OperationsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """As `text/csv` all that the filters find, whatever the `limit`."""
    wanted = OperationFilter(
        kind=query.kind,
        state=query.state,
        open=query.open,
        requested_by=query.requested_by,
        customer_id=query.customer,
        object_ids=[query.object] if query.object else (),
        created_after=query.created_after,
        created_before=query.created_before,
        term=query.term,
    )
    rows = lists.operations(caller.organization, wanted, sort=query.sort)

    def shown(row: Operation) -> OperationAnswer:
        return views.operation(row, caller)

    return await answer_list(request, context, query, rows, views.each(shown), OperationAnswer)


@router.get(
    "/{id}", summary="Read an operation", responses=answers({200: example("operations/operation")}, NOT_FOUND)
)
async def read_operation(id: Id, caller: AnyCaller, context: InContext) -> OperationAnswer:
    async with context.database.reading() as session:
        return views.operation(existing(await operations.get(session, caller.organization, id)), caller)


@router.get(
    "/{id}/timeline",
    summary="Read an operation's timeline",
    response_model=ListOf[EventAnswer],
    responses=list_answers("operations/event", EventAnswer, NOT_FOUND),
)
async def read_timeline(
    id: Id, query: Annotated[OldestFirst, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Oldest first. Each event carries the hash of the one before it."""
    async with context.database.reading() as session:
        existing(await operations.get(session, caller.organization, id))
        events = FewRows(await timeline.read(session, id), lambda row: str(row.seq), query.sort)
    return await answer_list(request, context, query, events, views.each(views.event), EventAnswer)
