"""What our mirror had otherwise than Stripe."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from db.mirror import differences
from db.tables import DifferenceRow

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.models import ListOf
from ..operations import views
from .schemas import DifferenceAnswer, DifferencesQuery, FieldAnswer

router = APIRouter(prefix="/v1/differences", tags=["Reconciliation"])


@router.get(
    "",
    summary="List differences from Stripe",
    response_model=ListOf[DifferenceAnswer],
    responses=list_answers("mirror/difference", DifferenceAnswer),
)
async def list_differences(
    query: Annotated[DifferencesQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find. Each difference was
    corrected when it was found.

    A change that Stripe has already reported, and that is still being applied to the mirror, is not a
    difference. One that Stripe reports while the run continues is removed at the end of the run.
    """
    listing = differences.paged(
        caller.organization,
        reconciliation=query.reconciliation,
        object_kind=query.object_kind,
        object_id=query.object,
        sort=query.sort,
    )
    return await answer_list(request, context, query, listing, views.each(_difference), DifferenceAnswer)


def _difference(row: DifferenceRow) -> DifferenceAnswer:
    return DifferenceAnswer.model_validate(
        row.model_dump(include={"id", "object_kind", "since", "found_at", "correction"})
        | {
            "reconciliation": row.reconciliation_id,
            "object": row.object_id,
            "fields": [FieldAnswer.model_validate(field) for field in row.fields],
        }
    )
