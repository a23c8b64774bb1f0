"""The guide's success checks: as figures over a period, and the rows by which each can be counted again."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator

from billing.money.notes import with_objects
from billing.success_checks import checks as success_checks
from billing.success_checks.series import MOST_STEPS, spans
from db.core.clock import utc_now
from db.success_checks import queries as records
from db.success_checks import series
from db.success_checks.queries import CHECKS, CheckPeriod
from db.tables import Organization

from ..http.auth import AnyCaller, Caller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.models import Answer, ListOf
from ..http.openapi import answers
from ..operations.views import each
from ..problems.common import INVALID_REQUEST, NOT_FOUND
from ..problems.problem import ApiProblem, not_found
from .problems import PERIOD_INVERTED, PERIOD_TOO_LONG
from .schemas import (
    AllowedRow,
    CheckRow,
    OutageRow,
    PeriodQuery,
    RefundedRow,
    RequestedRow,
    RowsQuery,
    SeriesAnswer,
    SeriesQuery,
    SuccessChecksAnswer,
    TroubleRow,
    UnequalRow,
    span,
)

Row = TypeVar("Row", bound=Answer)

router = APIRouter(prefix="/v1/success-checks", tags=["Success checks"])

WRONG = (INVALID_REQUEST, PERIOD_INVERTED, PERIOD_TOO_LONG)


def _known(value: str) -> str:
    if value not in CHECKS:
        raise not_found()
    return value


Name = Annotated[
    str,
    Path(
        description="The name of a check from GET /v1/success-checks", json_schema_extra={"enum": [*CHECKS]}
    ),
    AfterValidator(_known),
]


@router.get(
    "",
    summary="Read the success checks",
    responses=answers({200: example("success_checks/figures")}, *WRONG),
)
async def read_checks(
    query: Annotated[PeriodQuery, Query()], caller: AnyCaller, context: InContext
) -> SuccessChecksAnswer:
    """Figures for your organization, for the period from `from` until just before `to`: at most 366 days, by
    default the last 30. Incidents are shared by all organizations.

    Changes that were approved and then cancelled, or definitely refused, before they were visible in Stripe
    do not count in `approved_to_visible`. Balances are those found by the last reconciliation of everything
    that was completed in the period; without one, their share is null.
    """
    period = _period(query, caller, utc_now())
    async with context.database.snapshot() as session:
        figures = await records.figures(session, period)
    return SuccessChecksAnswer(**{"from": period.start}, to=period.end, as_of=period.as_of, checks=figures)


@router.get(
    "/{name}/series",
    summary="Read a success check over time",
    responses=answers({200: example("success_checks/series")}, *WRONG, NOT_FOUND),
)
async def read_series(
    name: Name, query: Annotated[SeriesQuery, Query()], caller: AnyCaller, context: InContext
) -> SeriesAnswer:
    """By day or week, at most 100 of them. What one was counted from are the check's rows of its period."""
    period = _period(query, caller, utc_now())
    async with context.database.snapshot() as session:
        zone = (await session.get_one(Organization, caller.organization)).zone
        steps = spans(period.start, period.end, query.by, ZoneInfo(zone))
        if len(steps) > MOST_STEPS:
            too_long = "By day, a period can be at most 99 days long."
            raise ApiProblem.at(PERIOD_TOO_LONG, too_long, "/from", where="query")
        found = await series.series(session, name, period, steps)
    said: dict[str, Any] = {"check": name, "from": period.start, "by": query.by, "zone": zone}
    return SeriesAnswer(**said, to=period.end, as_of=period.as_of, points=found)


@router.get(
    "/{name}/rows",
    summary="List a success check's rows",
    response_model=ListOf[CheckRow],
    responses=list_answers("success_checks/row", RefundedRow, PERIOD_INVERTED, PERIOD_TOO_LONG, NOT_FOUND),
)
async def list_rows(
    name: Name, query: Annotated[RowsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Latest first unless `sort` says otherwise; as `text/csv` all of them, with the columns of that check.
    Pass `from` and `to` when you page through the rows: the defaults move with the time. For
    `balances_equal_stripe`, only invoices that differed are listed."""
    period = _period(query, caller, utc_now())
    model, show = _SHOWN[name]
    rows = CHECKS[name].listing(period, latest_first=query.sort == "-time")
    shown = each(lambda row: show(row, caller))
    return await answer_list(request, context, query, rows, shown, model)


def _period(query: PeriodQuery | RowsQuery, caller: Caller, at: datetime) -> CheckPeriod:
    start, end = span(query, at)
    return CheckPeriod(organization=caller.organization, start=start, end=end, as_of=at)


def _outage(row: success_checks.Outage, caller: Caller) -> OutageRow:
    note = row.note if row.cleared_in == caller.organization else None
    return _like(OutageRow, row, check="incidents_with_note", note=note)


def _refunded(row: success_checks.CompletedRefund, _: Caller) -> RefundedRow:
    note = with_objects(row.text, row.payments) if row.text is not None else None
    return _like(RefundedRow, row, check="refunds_with_notes", payments=list(row.payments), note=note)


def _plain(model: type[Answer], check: str) -> "RowShape":
    return RowShape(model, lambda row, _: _like(model, row, check=check))


def _like(model: type[Row], row: Any, **more: Any) -> Row:
    """The row's fields and what is reckoned from them, by the names that the answer has for them."""
    return model(**{name: getattr(row, name) for name in model.model_fields if name not in more}, **more)


class RowShape(NamedTuple):
    """What a check's rows are answered as, and what makes it of one for somebody."""

    model: type[Answer]
    show: Callable[[Any, Caller], Answer]


_SHOWN: dict[str, RowShape] = {
    "approved_to_visible": _plain(AllowedRow, "approved_to_visible"),
    "balances_equal_stripe": _plain(UnequalRow, "balances_equal_stripe"),
    "portal_troubles_same_day": _plain(TroubleRow, "portal_troubles_same_day"),
    "incidents_with_note": RowShape(OutageRow, _outage),
    "refunds_with_notes": RowShape(RefundedRow, _refunded),
    "plan_changes_flagged": _plain(RequestedRow, "plan_changes_flagged"),
}
