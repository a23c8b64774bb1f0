"""Reads: who read evidence and took files with them."""

from typing import Annotated

from fastapi import Depends, Response

from ...http.auth import SEES_EVERYBODY
from ...people import reads
from ...people.schemas import ReadsQuery
from ..frame.queries import asked
from ..frame.serving import pages
from ..frame.visit import InVisit

router = pages("/admin/reads")


@router.get("")
async def list_reads(query: Annotated[ReadsQuery, Depends(asked(ReadsQuery))], visit: InVisit) -> Response:
    """The newest first."""
    found = await reads.list_reads(query, visit.request, visit.caller, visit.context)
    return visit.page("reads", title="Reads",
        rows=found.data, next_cursor=found.next_cursor,
        sees_all=bool(visit.caller.roles & SEES_EVERYBODY),
    )  # fmt: skip
