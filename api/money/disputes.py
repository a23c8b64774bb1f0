"""The disputes of customers' payments, as last read from Stripe, where they are answered."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from billing.core.money import Money
from db.mirror import disputes
from db.tables import DisputeRow

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.models import ListOf
from ..operations import views
from .schemas import DisputeAnswer, DisputesQuery

router = APIRouter(prefix="/v1/disputes", tags=["Payments"])


@router.get(
    "",
    summary="List disputes",
    response_model=ListOf[DisputeAnswer],
    responses=list_answers("money/dispute", DisputeAnswer),
)
async def list_disputes(
    query: Annotated[DisputesQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find."""
    listing = disputes.paged(
        caller.organization,
        unanswered=query.unanswered,
        status=query.status,
        customer_id=query.customer,
        payment_intent=query.payment,
        sort=query.sort,
    )
    return await answer_list(request, context, query, listing, views.each(dispute_answer), DisputeAnswer)


def dispute_answer(row: DisputeRow) -> DisputeAnswer:
    return DisputeAnswer(
        **row.model_dump(exclude={"amount"}),
        payment=row.payment_intent,
        customer=row.customer_id,
        amount=Money(amount_minor=row.amount, currency=row.currency),
    )
