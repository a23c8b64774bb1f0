"""The organization's customers and their invoices, as last read from Stripe."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from db.core.clock import utc_now
from db.mirror import lists
from db.mirror.lists import InvoiceFilter

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example, listed
from ..http.models import ListOf
from ..operations.views import each
from . import views
from .schemas import CustomerAnswer, CustomersQuery, InvoiceAnswer, InvoiceCounts, InvoiceList, InvoicesQuery

router = APIRouter(prefix="/v1", tags=["Customers and invoices"])


@router.get(
    "/customers",
    summary="List customers",
    response_model=ListOf[CustomerAnswer],
    responses=list_answers("customers/customer", CustomerAnswer),
)
async def list_customers(
    query: Annotated[CustomersQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """As `text/csv` all of them, whatever the `limit`."""
    listing = lists.customers(caller.organization, term=query.term, sort=query.sort)
    return await answer_list(request, context, query, listing, each(views.customer), CustomerAnswer)


@router.get(
    "/invoices",
    summary="List invoices",
    response_model=InvoiceList,
    responses=list_answers(
        "customers/invoice", InvoiceAnswer, page=listed(example("customers/invoice")) | {"counts": None}
    ),
)
async def list_invoices(
    query: Annotated[InvoicesQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """As `text/csv` all that the filters find, whatever the `limit`."""
    at = utc_now()
    wanted = InvoiceFilter(
        customer_id=query.customer,
        promised=query.promised,
        due_after=query.due_after,
        due_before=query.due_before,
        created_after=query.created_after,
        created_before=query.created_before,
        term=query.term,
    )
    overdue = query.status == "overdue"
    tab = replace(wanted, overdue_at=at) if overdue else replace(wanted, status=query.status)
    listing = lists.invoices(caller.organization, tab, sort=query.sort)
    answer = await answer_list(request, context, query, listing, views.invoices, InvoiceAnswer)
    if not query.counts or not isinstance(answer, ListOf):
        return answer
    async with context.database.reading() as session:
        counted = await lists.count_invoices(session, caller.organization, wanted, at)
    return InvoiceList(data=answer.data, next_cursor=answer.next_cursor, counts=InvoiceCounts(**counted))
