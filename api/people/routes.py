"""Who there is in an organization: whom one can name."""

from typing import Annotated

from fastapi import APIRouter, Query

from db.people import people

from ..approvals.schemas import PeopleQuery, PersonAnswer
from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example, listed
from ..http.models import ListOf
from ..http.openapi import answers
from ..operations import views
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST

router = APIRouter(prefix="/v1/people", tags=["People"])


@router.get(
    "",
    summary="List people",
    responses=answers({200: listed(example("people/person"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_people(
    query: Annotated[PeopleQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[PersonAnswer]:
    """Newest first. Includes people who are no longer active, unless you filter by `active`."""
    async with context.database.reading() as session:
        page = await people.page(
            session,
            caller.organization,
            role=query.role,
            active=query.active,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, PersonAnswer.model_validate)
