"""The organization's customers and their invoices, as they were last read from Stripe."""

from typing import Annotated

from fastapi import APIRouter, Query

from db.mirror import mirror

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example, listed
from ..http.ids import Id
from ..http.models import CustomerAnswer, InvoiceAnswer, InvoicesQuery, ListOf
from ..http.models import Query as ListQuery
from ..http.openapi import answers
from ..operations import views
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND
from ..problems.problem import not_found

router = APIRouter(prefix="/v1", tags=["Customers and invoices"])


@router.get(
    "/customers",
    summary="List customers",
    responses=answers({200: listed(example("money/customer"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_customers(
    query: Annotated[ListQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[CustomerAnswer]:
    """In no particular order."""
    async with context.database.reading() as session:
        page = await mirror.customers_page(
            session, caller.organization, limit=query.limit, cursor=query.cursor
        )
    return views.listed(page, views.customer)


@router.get(
    "/invoices",
    summary="List invoices",
    responses=answers({200: listed(example("money/invoice"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_invoices(
    query: Annotated[InvoicesQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[InvoiceAnswer]:
    """In no particular order."""
    async with context.database.reading() as session:
        page = await mirror.invoices_page(
            session,
            caller.organization,
            status=query.status,
            customer_id=query.customer,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, views.invoice)


@router.get(
    "/invoices/{id}", summary="Read an invoice", responses=answers({200: example("money/invoice")}, NOT_FOUND)
)
async def read_invoice(id: Id, caller: AnyCaller, context: InContext) -> InvoiceAnswer:
    async with context.database.reading() as session:
        row = await mirror.invoice(session, caller.organization, id)
    if row is None:
        raise not_found()
    return views.invoice(row)
