"""Who read evidence, and who took lists with them as files."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from db.core.pages import NOTHING
from db.people import reads
from db.tables import RecordRead

from ..http.auth import AnyCaller, whose
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.models import ListOf
from ..operations import views
from .schemas import ReadAnswer, ReadsQuery

router = APIRouter(prefix="/v1/reads", tags=["Reads"])


@router.get(
    "",
    summary="List reads",
    response_model=ListOf[ReadAnswer],
    responses=list_answers("people/read", ReadAnswer),
)
async def list_reads(
    query: Annotated[ReadsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Every time that somebody read an operation's evidence, or took a list, a month or a period with them as
    a file: recorded before the answer begins, and kept for 400 days. Newest first unless `sort` says
    otherwise. Billing admins and auditors see everybody's, others only their own."""
    person, visible = whose(caller, query.person)
    listing = reads.paged(caller.organization, person=person, what=query.what, sort=query.sort)
    return await answer_list(
        request, context, query, listing if visible else NOTHING, views.each(_answer), ReadAnswer
    )


def _answer(row: RecordRead) -> ReadAnswer:
    return ReadAnswer(
        **row.model_dump(include={"id", "at", "what", "path", "query", "key", "address"}),
        person=row.person_id,
        session=row.session_id,
        request=row.request_id,
    )
