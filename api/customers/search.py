"""One search over everything that people look for."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from billing.core.search_terms import search_term
from db.mirror import lists
from db.mirror.lists import InvoiceFilter
from db.operations import lists as operation_lists
from db.operations.lists import OperationFilter

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example
from ..http.models import Answer, OperationAnswer, SearchText
from ..http.openapi import answers
from ..money.payments import payment_answer
from ..money.schemas import PaymentAnswer
from ..operations import views as operation_views
from ..problems.common import INVALID_REQUEST
from . import views
from .schemas import CustomerAnswer, InvoiceAnswer

router = APIRouter(prefix="/v1", tags=["Search"])

MOST = 5
"""Of each kind."""


class EverywhereQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    q: SearchText = Field(
        description="A part of a customer's name or mail address, or of an invoice's number; an amount "
        "such as `1,250.00` or `USD 13`; or any id, ours or Stripe's"
    )


class SearchAnswer(Answer):
    """The newest of what was found, at most 5 of each kind; the lists find the rest by the same `q`."""

    customers: list[CustomerAnswer]
    invoices: list[InvoiceAnswer]
    operations: list[OperationAnswer]
    payments: list[PaymentAnswer]


@router.get(
    "/search",
    summary="Search everywhere",
    responses=answers({200: example("customers/search")}, INVALID_REQUEST),
)
async def search(
    query: Annotated[EverywhereQuery, Query()], caller: AnyCaller, context: InContext
) -> SearchAnswer:
    """Customers, invoices, operations and payments by name, mail address, number, amount or id."""
    term, ours = search_term(query.q), caller.organization
    async with context.database.reading() as session:
        customers = await lists.customers(ours, term=term).page(session, limit=MOST)
        invoices = await lists.invoices(ours, InvoiceFilter(term=term)).page(session, limit=MOST)
        wanted = operation_lists.operations(ours, OperationFilter(term=term))
        operations = await wanted.page(session, limit=MOST)
        payments = await lists.payments(ours, term=term).page(session, limit=MOST)
        shown = await views.invoices(session, invoices.rows)
    return SearchAnswer(
        customers=[views.customer(row) for row in customers.rows],
        invoices=shown,
        operations=[operation_views.operation(row, caller) for row in operations.rows],
        payments=[payment_answer(row) for row in payments.rows],
    )
