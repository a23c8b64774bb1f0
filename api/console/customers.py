"""Customers, found by name, mail address or id; their invoices are one step further."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from ..customers import routes as customers
from ..customers.schemas import CustomersQuery
from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.ids import Id
from .frame.calls import wanting_csv
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/customers")


@router.get("")
async def list_customers(
    query: Annotated[CustomersQuery, Depends(asked(CustomersQuery))], visit: InVisit
) -> Response:
    """The newest first, or by name."""
    found = await customers.list_customers(query, visit.request, visit.caller, visit.context)
    return visit.page("customers", title="Customers", rows=found.data, next_cursor=found.next_cursor)


@router.get("/csv")
async def download(
    query: Annotated[CustomersQuery, Depends(asked(CustomersQuery))],
    request: Request,
    caller: AnyCaller,
    context: InContext,
) -> Any:
    """All that the search finds, as a file."""
    return await customers.list_customers(query, wanting_csv(request), caller, context)


@router.get("/{id}")
async def read_customer(id: Id, visit: InVisit) -> Response:
    """A customer is seen by their invoices."""
    return see(f"/invoices?customer={id}")
