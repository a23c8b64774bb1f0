"""Everything that was asked for, how far it is and what happened to it."""

from typing import Annotated

from fastapi import APIRouter, Query

from db.core import timeline
from db.operations import operations

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example, listed
from ..http.ids import Id
from ..http.models import EventAnswer, ListOf, OperationAnswer, OperationsQuery
from ..http.models import Query as ListQuery
from ..http.openapi import answers
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND
from ..problems.problem import existing
from . import views

router = APIRouter(prefix="/v1/operations", tags=["Operations"])


@router.get(
    "",
    summary="List operations",
    responses=answers({200: listed(example("operations/operation"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_operations(
    query: Annotated[OperationsQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[OperationAnswer]:
    """Newest first."""
    async with context.database.reading() as session:
        page = await operations.page(
            session,
            caller.organization,
            kind=query.kind,
            state=query.state,
            open=query.open,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, lambda row: views.operation(row, caller))


@router.get(
    "/{id}", summary="Read an operation", responses=answers({200: example("operations/operation")}, NOT_FOUND)
)
async def read_operation(id: Id, caller: AnyCaller, context: InContext) -> OperationAnswer:
    async with context.database.reading() as session:
        return views.operation(existing(await operations.get(session, caller.organization, id)), caller)


@router.get(
    "/{id}/timeline",
    summary="Read an operation's timeline",
    responses=answers({200: listed(example("operations/event"))}, NOT_FOUND, INVALID_REQUEST, INVALID_CURSOR),
)
async def read_timeline(
    id: Id, query: Annotated[ListQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[EventAnswer]:
    """Oldest first. Each event carries the hash of the one before it."""
    async with context.database.reading() as session:
        existing(await operations.get(session, caller.organization, id))
        events = await timeline.read(session, id)
    return views.sliced(events, lambda row: str(row.seq), views.event, query.limit, query.cursor)
