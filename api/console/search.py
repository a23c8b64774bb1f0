"""Search everywhere: customers, invoices, operations and payments by whatever one knows of them."""

from typing import Annotated

from fastapi import Depends, Response

from ..customers.search import EverywhereQuery, search
from .frame.queries import asked
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/search")


class BoxQuery(EverywhereQuery):
    """What the box in the head of every page sends, which may be nothing."""

    q: str = ""


@router.get("")
async def find(query: Annotated[BoxQuery, Depends(asked(BoxQuery))], visit: InVisit) -> Response:
    """The newest of what was found of each kind, with the way to the rest."""
    if not query.q.strip():
        return visit.page("search", title="Search", found=None, names=await visit.names([]))
    found = await search(EverywhereQuery(q=query.q), visit.caller, visit.context)
    documents = [document for row in found.operations for document in (row.subject, row.request)]
    documents += [row.model_dump(include={"customer", "invoice"}) for row in found.payments]
    return visit.page("search", title="Search", found=found, names=await visit.names(documents))
