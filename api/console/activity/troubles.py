"""Customers who can't open an invoice: who waits, since when and until when somebody has to have helped."""

from typing import Annotated

from fastapi import Depends, Response

from ...portal_admin import troubles
from ...portal_admin.troubles import TroublesQuery
from ..frame.queries import asked
from ..frame.serving import pages
from ..frame.visit import InVisit

router = pages("/portal-troubles")


@router.get("")
async def list_troubles(
    query: Annotated[TroublesQuery, Depends(asked(TroublesQuery))], visit: InVisit
) -> Response:
    """The newest first, each leading to its operation, where it is closed with a note."""
    found = await troubles.list_troubles(query, visit.request, visit.caller, visit.context)
    names = await visit.names([row.model_dump(include={"customer", "invoice"}) for row in found.data])
    return visit.page("troubles", title="Portal troubles",
        rows=found.data, next_cursor=found.next_cursor, names=names,
    )  # fmt: skip
