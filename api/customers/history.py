"""Everything of one customer, list by list: the newest first."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel

from db.core.clock import utc_now
from db.core.pages import PagedRows
from db.mail import customer_mails
from db.mirror import lists, mirror
from db.portal import links

from ..http.auth import AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.examples import example, listed
from ..http.ids import Id
from ..http.models import ListOf
from ..http.models import Query as ListQuery
from ..http.openapi import answers
from ..money.payments import refund_answer
from ..money.schemas import RefundAnswer
from ..operations.views import listed as page_of
from ..portal_admin.links import link_answer
from ..portal_admin.schemas import PortalLinkAnswer
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND
from ..problems.problem import existing
from . import views
from .schemas import BalanceTransactionAnswer, CreditNoteAnswer, CustomerMailAnswer

router = APIRouter(prefix="/v1/customers/{id}", tags=["Customers and invoices"])

Row = TypeVar("Row")
Shown = TypeVar("Shown", bound=BaseModel)
InQuery = Annotated[ListQuery, Query()]
_REFUSED = (NOT_FOUND, INVALID_REQUEST, INVALID_CURSOR)


@router.get(
    "/refunds",
    summary="List a customer's refunds",
    responses=answers({200: listed(example("customers/refund"))}, *_REFUSED),
)
async def list_refunds(id: Id, query: InQuery, caller: AnyCaller, context: InContext) -> ListOf[RefundAnswer]:
    """Newest first, also those made outside Plixo."""
    listing = lists.refunds_of(caller.organization, id)
    return await _page(context, caller, id, query, listing, refund_answer)


@router.get(
    "/credit-notes",
    summary="List a customer's credit notes",
    responses=answers({200: listed(example("customers/credit_note"))}, *_REFUSED),
)
async def list_credit_notes(
    id: Id, query: InQuery, caller: AnyCaller, context: InContext
) -> ListOf[CreditNoteAnswer]:
    """Newest first, also those made outside Plixo."""
    listing = lists.credit_notes_of(caller.organization, id)
    return await _page(context, caller, id, query, listing, views.credit_note)


@router.get(
    "/balance-transactions",
    summary="List the changes of a customer's balance",
    responses=answers({200: listed(example("customers/balance_transaction"))}, *_REFUSED),
)
async def list_balance_transactions(
    id: Id, query: InQuery, caller: AnyCaller, context: InContext
) -> ListOf[BalanceTransactionAnswer]:
    """Newest first: those that Stripe told of since this customer is known here."""
    listing = lists.balance_transactions_of(caller.organization, id)
    return await _page(context, caller, id, query, listing, views.balance_transaction)


@router.get(
    "/portal-links",
    summary="List a customer's portal links",
    responses=answers({200: listed(example("portal_admin/link"))}, *_REFUSED),
)
async def list_portal_links(
    id: Id, query: InQuery, caller: AnyCaller, context: InContext
) -> ListOf[PortalLinkAnswer]:
    """Newest first, including links that have ended."""
    at = utc_now()
    listing = links.of_customer(caller.organization, id)
    return await _page(context, caller, id, query, listing, lambda link: link_answer(link, at))


@router.get(
    "/mails",
    summary="List the mails to a customer",
    responses=answers({200: listed(example("customers/mail"))}, *_REFUSED),
)
async def list_mails(
    id: Id, query: InQuery, caller: AnyCaller, context: InContext
) -> ListOf[CustomerMailAnswer]:
    """Reminders and portal links, newest first, also those that were held back or skipped."""
    listing = customer_mails.of_customer(caller.organization, id)
    return await _page(context, caller, id, query, listing, views.mail)


async def _page(
    context: Context,
    caller: Caller,
    customer_id: str,
    query: ListQuery,
    listing: PagedRows[Row],
    show: Callable[[Row], Shown],
) -> ListOf[Shown]:
    """Raises ApiProblem `not_found`, InvalidRequest `invalid_cursor`."""
    async with context.database.reading() as session:
        existing(await mirror.customer(session, caller.organization, customer_id))
        page = await listing.page(session, limit=query.limit, cursor=query.cursor)
    return page_of(page, show)
