"""The guide's success checks over time, as charts with their tables, and the rows behind each bar."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Response
from pydantic import BaseModel

from billing.success_checks.series import SeriesPoint, Step
from db.core.clock import utc_now

from ..success_checks import routes as checks
from ..success_checks.schemas import RowsQuery, SeriesQuery
from .frame.charts import HEIGHT, WIDTH, bars
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/success-checks")

BACK: Mapping[Step, timedelta] = {"day": timedelta(days=14), "week": timedelta(weeks=12)}
WORDS: Mapping[str, tuple[str, str]] = {
    "approved_to_visible": ("Visible in Stripe within five minutes", "of what was approved"),
    "balances_equal_stripe": ("Balances equal Stripe", "of the invoices compared last"),
    "portal_troubles_same_day": ("Customers can get in again the same business day", "of portal troubles"),
    "incidents_with_note": ("Degraded states cleared with a note", "of those cleared"),
    "refunds_with_notes": ("Refunds with a note that names the payment", "of completed refunds"),
    "plan_changes_flagged": ("Plan changes flagged to Finance", "of those that came to a review"),
}
"""What each check asks, and of what its share is."""


def rows_of(name: str, point: SeriesPoint) -> str:
    """Where the rows of one bar are listed."""
    period = {"from": point.begins_at.isoformat(), "to": point.ends_at.isoformat()}
    return f"/console/success-checks/{name}/rows?{urlencode(period)}"


class StepQuery(BaseModel):
    by: Step = "week"


@router.get("")
async def start() -> Response:
    return see(f"/success-checks/{next(iter(WORDS))}")


@router.get("/{name}")
async def read_chart(
    name: checks.Name, query: Annotated[StepQuery, Depends(asked(StepQuery))], visit: InVisit
) -> Response:
    """The last two weeks by day, or the last twelve weeks."""
    now = utc_now()
    said = {"from": (now - BACK[query.by]).isoformat(), "to": now.isoformat()}
    found = await checks.read_series(name, SeriesQuery(**said, by=query.by), visit.caller, visit.context)
    return visit.page("success", title=WORDS[name][0],
        check=name, checks=WORDS, bars=bars(found.points), by=query.by, width=WIDTH, height=HEIGHT,
        rows_of=rows_of,
    )  # fmt: skip


@router.get("/{name}/rows")
async def list_rows(
    name: checks.Name, query: Annotated[RowsQuery, Depends(asked(RowsQuery))], visit: InVisit
) -> Response:
    """What one bar was counted from."""
    found = await checks.list_rows(name, query, visit.request, visit.caller, visit.context)
    names = await visit.names([row.model_dump(include={"invoice"}) for row in found.data])
    called = await visit.headlines([row.operation for row in found.data if hasattr(row, "operation")])
    return visit.page("success_rows", title=WORDS[name][0],
        check=name, rows=found.data, numbers=names.numbers, called=called,
        next_cursor=found.next_cursor, start=query.from_, end=query.to,
    )  # fmt: skip
