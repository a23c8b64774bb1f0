"""What Plixo bills the organization itself: its invoices, what waits for the next one, and that one."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from db.mirror import bills
from db.mirror.bills import BillFilter
from db.tables import Renewal

from ..http.auth import AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, csv_columns
from ..http.examples import example, listed
from ..http.ids import Id
from ..http.models import ListOf
from ..http.models import Query as ListQuery
from ..http.openapi import answers
from ..operations.problems import NOT_SYNCED
from ..operations.views import each, sliced
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND, TOO_MANY_ROWS
from ..problems.problem import ApiProblem, existing
from . import views
from .schemas import (
    OrganizationInvoiceAnswer,
    OrganizationInvoiceDetail,
    OrganizationInvoicesQuery,
    PendingItemAnswer,
    RenewalAnswer,
)

router = APIRouter(prefix="/v1/organization", tags=["Organization"])


@router.get(
    "/invoices",
    summary="List your own invoices",
    response_model=ListOf[OrganizationInvoiceAnswer],
    responses=answers(
        {200: listed(example("bill/organization_invoice"))},
        INVALID_REQUEST,
        INVALID_CURSOR,
        TOO_MANY_ROWS,
        also_as=csv_columns(OrganizationInvoiceAnswer),
    ),
)
async def list_organization_invoices(
    query: Annotated[OrganizationInvoicesQuery, Query()],
    request: Request,
    caller: AnyCaller,
    context: InContext,
) -> Any:
    """What Plixo bills your organization; `GET /v1/invoices` lists what it bills its customers.

    As `text/csv` all that the filters find, whatever the `limit`.
    """
    wanted = BillFilter(
        status=query.status,
        created_after=query.created_after,
        created_before=query.created_before,
        term=query.term,
    )
    listing = bills.invoices(caller.organization, wanted, sort=query.sort)
    return await answer_list(request, context, query, listing, each(views.invoice), OrganizationInvoiceAnswer)


@router.get(
    "/invoices/{id}",
    summary="Read your own invoice",
    responses=answers({200: example("bill/organization_invoice_detail")}, NOT_FOUND),
)
async def read_organization_invoice(
    id: Id, caller: AnyCaller, context: InContext
) -> OrganizationInvoiceDetail:
    """With its lines."""
    async with context.database.reading() as session:
        found = existing(await bills.invoice(session, caller.organization, id))
    return views.invoice_detail(found)


@router.get(
    "/pending-items",
    summary="List your pending items",
    responses=answers(
        {200: listed(example("bill/pending_item"))}, INVALID_REQUEST, INVALID_CURSOR, NOT_SYNCED
    ),
)
async def list_pending_items(
    query: Annotated[ListQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[PendingItemAnswer]:
    """Oldest first, as of the `synced_at` of `GET /v1/organization/renewal`."""
    row = await _renewal(caller, context)
    return sliced(row.items, lambda item: str(item["id"]), views.pending_item, query.limit, query.cursor)


@router.get(
    "/renewal",
    summary="Read your next invoice",
    responses=answers({200: example("bill/renewal")}, NOT_SYNCED),
)
async def read_renewal(caller: AnyCaller, context: InContext) -> RenewalAnswer:
    """Stripe's own preview, read again whenever something of the subscription changes, and every hour."""
    return views.renewal(await _renewal(caller, context))


async def _renewal(caller: Caller, context: Context) -> Renewal:
    async with context.database.reading() as session:
        row = await bills.renewal(session, caller.organization)
    if row is None:
        raise ApiProblem.of(NOT_SYNCED)
    return row
