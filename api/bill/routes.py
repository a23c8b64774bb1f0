"""What Plixo bills the organization itself: its invoices, what waits for the next one, and that one."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from db.core.pages import FewRows
from db.mirror import bills
from db.mirror.bills import BillFilter
from db.tables import Renewal

from ..http.auth import AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import answers
from ..operations.problems import NOT_SYNCED
from ..operations.views import each
from ..problems.common import NOT_FOUND
from ..problems.problem import ApiProblem, existing
from . import views
from .schemas import (
    OrganizationInvoiceAnswer,
    OrganizationInvoiceDetail,
    OrganizationInvoicesQuery,
    PendingItemAnswer,
    PendingItemsQuery,
    RenewalAnswer,
)

router = APIRouter(prefix="/v1/organization", tags=["Organization"])


@router.get(
    "/invoices",
    summary="List your own invoices",
    response_model=ListOf[OrganizationInvoiceAnswer],
    responses=list_answers("bill/organization_invoice", OrganizationInvoiceAnswer),
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
    response_model=ListOf[PendingItemAnswer],
    responses=list_answers("bill/pending_item", PendingItemAnswer, NOT_SYNCED),
)
async def list_pending_items(
    query: Annotated[PendingItemsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Oldest first unless `sort` says otherwise, as of the `synced_at` of `GET /v1/organization/renewal`."""
    items = FewRows((await _renewal(caller, context)).items, lambda item: str(item["id"]), query.sort)
    return await answer_list(request, context, query, items, each(views.pending_item), PendingItemAnswer)


@router.get(
    "/renewal",
    summary="Read your next invoice",
    responses=answers({200: example("bill/renewal")}, NOT_SYNCED),
)
async def read_renewal(caller: AnyCaller, context: InContext) -> RenewalAnswer:
    """Stripe's own preview, read again whenever something of the subscription changes, and once a week."""
    return views.renewal(await _renewal(caller, context))


async def _renewal(caller: Caller, context: Context) -> Renewal:
    async with context.database.reading() as session:
        row = await bills.renewal(session, caller.organization)
    if row is None:
        raise ApiProblem.of(NOT_SYNCED)
    return row
