"""Who there is in an organization: whom one can name."""

from typing import Annotated

from fastapi import APIRouter, Query

from db import people

from . import examples, views
from .approval_models import PeopleQuery, PersonAnswer
from .auth import AnyCaller
from .context import InContext
from .models import Listed
from .openapi import answers

router = APIRouter(prefix="/v1/people", tags=["People"])


@router.get(
    "",
    summary="List people",
    responses=answers({200: examples.listed(examples.PERSON)}, "invalid_request", "invalid_cursor"),
)
async def list_people(
    query: Annotated[PeopleQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[PersonAnswer]:
    """The newest first, those who are not active any more too unless `active` says otherwise."""
    async with context.database.reading() as session:
        page = await people.page(
            session,
            who.organization,
            role=query.role,
            active=query.active,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, PersonAnswer.model_validate)
