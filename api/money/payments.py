"""The payments of the organization's customers and what was refunded of them, as last read from Stripe."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from billing.core.money import Money
from db.mirror import lists, mirror
from db.tables import PaymentRow, RefundRow

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import answers
from ..operations import views
from ..problems.common import NOT_FOUND
from ..problems.problem import existing
from .schemas import PaymentAnswer, PaymentsQuery, PaymentWithRefunds, RefundAnswer

router = APIRouter(prefix="/v1/payments", tags=["Payments"])


@router.get(
    "",
    summary="List payments",
    response_model=ListOf[PaymentAnswer],
    responses=list_answers("money/payment", PaymentAnswer),
)
async def list_payments(
    query: Annotated[PaymentsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find."""
    listing = lists.payments(
        caller.organization,
        customer_id=query.customer,
        invoice_id=query.invoice,
        status=query.status,
        refundable=query.refundable,
        created_after=query.created_after,
        created_before=query.created_before,
        term=query.term,
        sort=query.sort,
    )
    return await answer_list(request, context, query, listing, views.each(payment_answer), PaymentAnswer)


@router.get(
    "/{id}",
    summary="Read a payment",
    responses=answers({200: example("money/payment_with_refunds")}, NOT_FOUND),
)
async def read_payment(id: Id, caller: AnyCaller, context: InContext) -> PaymentWithRefunds:
    """Includes every refund of it, oldest first, also those made outside Plixo."""
    async with context.database.reading() as session:
        row = existing(await mirror.payment(session, caller.organization, id))
        refunds = await mirror.refunds_of(session, [id])
    return with_refunds(row, refunds)


def with_refunds(row: PaymentRow, refunds: Iterable[RefundRow]) -> PaymentWithRefunds:
    return PaymentWithRefunds(
        **payment_answer(row).model_dump(), refunds=[refund_answer(refund) for refund in refunds]
    )


def payment_answer(row: PaymentRow) -> PaymentAnswer:
    return PaymentAnswer(
        **row.model_dump(exclude={"amount", "amount_refunded"}),
        customer=row.customer_id,
        invoice=row.invoice_id,
        amount=_money(row.amount, row.currency),
        amount_refunded=_money(row.amount_refunded, row.currency),
        refundable=_money(row.refundable, row.currency),
    )


def refund_answer(row: RefundRow) -> RefundAnswer:
    return RefundAnswer(
        **row.model_dump(exclude={"amount"}),
        operation=row.operation_id,
        amount=_money(row.amount, row.currency),
    )


def _money(amount: int, currency: str) -> Money:
    return Money(amount_minor=amount, currency=currency)
