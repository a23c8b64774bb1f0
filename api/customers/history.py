"""Everything of one customer, list by list: the newest first unless `sort` says otherwise."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from db.core.clock import utc_now
from db.mail import customer_mails
from db.mirror import lists, mirror
from db.portal import links

from ..http.auth import AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.ids import Id
from ..http.models import ListOf
from ..money.payments import refund_answer
from ..money.schemas import GivenQuery, RefundAnswer
from ..operations.views import each
from ..portal_admin.links import link_answer
from ..portal_admin.schemas import PortalLinkAnswer, PortalLinksQuery
from ..problems.common import NOT_FOUND
from ..problems.problem import existing
from ..reminders.schemas import RemindersQuery
from . import views
from .schemas import BalanceTransactionAnswer, CreditNoteAnswer, CustomerMailAnswer

router = APIRouter(prefix="/v1/customers/{id}", tags=["Customers and invoices"])


@router.get(
    "/refunds",
    summary="List a customer's refunds",
    response_model=ListOf[RefundAnswer],
    responses=list_answers("customers/refund", RefundAnswer, NOT_FOUND),
)
async def list_refunds(
    id: Id, query: Annotated[GivenQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first, also those made outside Plixo."""
    listing = lists.refunds_of(caller.organization, id, sort=query.sort)
    await _check(context, caller, id)
    return await answer_list(request, context, query, listing, each(refund_answer), RefundAnswer)


@router.get(
    "/credit-notes",
    summary="List a customer's credit notes",
    response_model=ListOf[CreditNoteAnswer],
    responses=list_answers("customers/credit_note", CreditNoteAnswer, NOT_FOUND),
)
async def list_credit_notes(
    id: Id, query: Annotated[GivenQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first, also those made outside Plixo."""
    listing = lists.credit_notes_of(caller.organization, id, sort=query.sort)
    await _check(context, caller, id)
    return await answer_list(request, context, query, listing, each(views.credit_note), CreditNoteAnswer)


@router.get(
    "/balance-transactions",
    summary="List the changes of a customer's balance",
    response_model=ListOf[BalanceTransactionAnswer],
    responses=list_answers("customers/balance_transaction", BalanceTransactionAnswer, NOT_FOUND),
)
async def list_balance_transactions(
    id: Id, query: Annotated[GivenQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first: those that Stripe told of since this customer is known here."""
    listing = lists.balance_transactions_of(caller.organization, id, sort=query.sort)
    await _check(context, caller, id)
    return await answer_list(
        request, context, query, listing, each(views.balance_transaction), BalanceTransactionAnswer
    )


@router.get(
    "/portal-links",
    summary="List a customer's portal links",
    response_model=ListOf[PortalLinkAnswer],
    responses=list_answers("portal_admin/link", PortalLinkAnswer, NOT_FOUND),
)
async def list_portal_links(
    id: Id,
    query: Annotated[PortalLinksQuery, Query()],
    request: Request,
    caller: AnyCaller,
    context: InContext,
) -> Any:
    """Newest first, including links that have ended."""
    at = utc_now()
    listing = links.paged(caller.organization, customer_id=id, sort=query.sort)
    await _check(context, caller, id)
    return await answer_list(
        request, context, query, listing, each(lambda link: link_answer(link, at)), PortalLinkAnswer
    )


@router.get(
    "/mails",
    summary="List the mails to a customer",
    response_model=ListOf[CustomerMailAnswer],
    responses=list_answers("customers/mail", CustomerMailAnswer, NOT_FOUND),
)
async def list_mails(
    id: Id, query: Annotated[RemindersQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Reminders and portal links, newest first, also those that were held back or skipped."""
    listing = customer_mails.of_customer(caller.organization, id, sort=query.sort)
    await _check(context, caller, id)
    return await answer_list(request, context, query, listing, each(views.mail), CustomerMailAnswer)


async def _check(context: Context, caller: Caller, customer_id: str) -> None:
    """Raises ApiProblem `not_found`."""
    async with context.database.reading() as session:
        existing(await mirror.customer(session, caller.organization, customer_id))
