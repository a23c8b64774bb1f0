"""What our mirror had otherwise than Stripe."""

from typing import Annotated

from fastapi import APIRouter, Query

from db.mirror import differences
from db.tables import DifferenceRow

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example, listed
from ..http.models import ListOf
from ..http.openapi import answers
from ..operations import views
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST
from .schemas import DifferenceAnswer, DifferencesQuery, FieldAnswer

router = APIRouter(prefix="/v1/differences", tags=["Reconciliation"])


@router.get(
    "",
    summary="List differences from Stripe",
    responses=answers({200: listed(example("mirror/difference"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_differences(
    query: Annotated[DifferencesQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[DifferenceAnswer]:
    """Newest first. Each difference was corrected when it was found.

    A change that Stripe has already reported, and that is still being applied to the mirror, is not a
    difference. One that Stripe reports while the run continues is removed at the end of the run.
    """
    async with context.database.reading() as session:
        page = await differences.page(
            session,
            caller.organization,
            reconciliation=query.reconciliation,
            object_kind=query.object_kind,
            object_id=query.object,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, _difference)


def _difference(row: DifferenceRow) -> DifferenceAnswer:
    return DifferenceAnswer.model_validate(
        row.model_dump(include={"id", "object_kind", "since", "found_at", "correction"})
        | {
            "reconciliation": row.reconciliation_id,
            "object": row.object_id,
            "fields": [FieldAnswer.model_validate(field) for field in row.fields],
        }
    )
