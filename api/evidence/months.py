"""A month for Finance to file: its operations, what they did in Stripe, and the heads of their evidence.

A month is the calendar's in the organization's zone.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.business_time import calendar_month
from db.core.pages import PagedRows
from db.evidence import months, roots
from db.evidence.months import MonthSpan
from db.mirror import lists
from db.people import people
from db.tables import Intent, Operation, Organization, RootRow

from ..http.auth import AnyCaller
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, every_page, list_answers
from ..http.examples import example
from ..http.models import ListOf
from ..http.openapi import answers
from ..operations import views
from ..problems.common import NOT_FOUND
from ..problems.problem import not_found
from .schemas import EvidenceHead, MonthExport, MonthIntent, MonthOperation, MonthQuery

router = APIRouter(prefix="/v1/months", tags=["Months"])

SECOND = timedelta(seconds=1)


def _possible(month: str) -> str:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month, re.ASCII):
        raise not_found()
    return month


Month = Annotated[str, Path(description="Such as 2026-03"), AfterValidator(_possible)]


class CalendarMonth(NamedTuple):
    """A month of an organization, in its zone."""

    name: str
    zone: str
    span: MonthSpan


async def calendar(month: Month, caller: AnyCaller, context: InContext) -> CalendarMonth:
    async with context.database.reading() as session:
        zone = (await session.get_one(Organization, caller.organization)).zone
    return CalendarMonth(month, zone, MonthSpan(caller.organization, *calendar_month(month, zone)))


InMonth = Annotated[CalendarMonth, Depends(calendar)]


@router.get(
    "/{month}",
    summary="Export a month",
    response_model=MonthExport,
    responses=answers({200: example("evidence/month")}, NOT_FOUND),
)
async def export_month(month: InMonth, context: InContext) -> Any:
    """Everything that the three lists of a month have, and the roots of its days, in one document. A month
    that isn't over is exported as far as it has come."""
    return StreamingResponse(
        _document(context, month),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{month.name}.json"'},
    )


@router.get(
    "/{month}/operations",
    summary="List a month's operations",
    response_model=ListOf[MonthOperation],
    responses=list_answers("evidence/month_operation", MonthOperation, NOT_FOUND),
)
async def list_operations(
    month: InMonth, query: Annotated[MonthQuery, Query()], request: Request, context: InContext
) -> Any:
    """Those that were requested or ended in the month, oldest first; as `text/csv` all of them."""
    rows = months.operations(month.span, newest_first=query.newest_first)
    return await answer_list(request, context, query, rows, _operations, MonthOperation, month=month.name)


@router.get(
    "/{month}/intents",
    summary="List a month's changes in Stripe",
    response_model=ListOf[MonthIntent],
    responses=list_answers("evidence/month_intent", MonthIntent, NOT_FOUND),
)
async def list_intents(
    month: InMonth, query: Annotated[MonthQuery, Query()], request: Request, context: InContext
) -> Any:
    """Those that were begun or finished in the month, oldest first; as `text/csv` all of them."""
    rows = months.intents(month.span, newest_first=query.newest_first)
    return await answer_list(
        request, context, query, rows, views.each(_intent), MonthIntent, month=month.name
    )


@router.get(
    "/{month}/evidence-heads",
    summary="List a month's evidence heads",
    response_model=ListOf[EvidenceHead],
    responses=list_answers("evidence/evidence_head", EvidenceHead, NOT_FOUND),
)
async def list_heads(
    month: InMonth, query: Annotated[MonthQuery, Query()], request: Request, context: InContext
) -> Any:
    """Of each operation of the month the hash that stands for its evidence; as `text/csv` all of them. Filed
    outside, they show later that no evidence was changed since."""
    rows = months.operations(month.span, newest_first=query.newest_first)
    return await answer_list(request, context, query, rows, _heads, EvidenceHead, month=month.name)


async def _document(context: Context, month: CalendarMonth) -> AsyncIterator[str]:
    """The month as JSON, page by page."""
    span = month.span
    said = {
        "month": month.name,
        "zone": month.zone,
        "begins_at": span.start.isoformat(),
        "ends_at": span.end.isoformat(),
    }
    yield json.dumps(said, ensure_ascii=False)[:-1].replace("+00:00", "Z")
    for name, pages in (
        ("operations", every_page(context, months.operations(span), _operations)),
        ("intents", every_page(context, months.intents(span), views.each(_intent))),
        ("evidence_heads", every_page(context, months.operations(span), _heads)),
        ("roots", every_page(context, _roots(span), views.each(roots.root_of))),
    ):
        yield f', "{name}": ['
        between = ""
        async for page in pages:
            for row in page:
                yield between + row.model_dump_json()
                between = ",\n"
        yield "]"
    yield "}\n"


def _roots(span: MonthSpan) -> PagedRows[RootRow]:
    return roots.listed(span.organization, first=span.start.date(), last=(span.end - SECOND).date())


async def _operations(session: AsyncSession, rows: Sequence[Operation]) -> list[MonthOperation]:
    if not rows:
        return []
    staff = await people.names(session, rows[0].organization_id, [row.requested_by for row in rows])
    customers = await lists.customer_names(session, {row.customer_id for row in rows if row.customer_id})
    return [
        MonthOperation(
            id=row.id,
            kind=row.kind,
            state=row.state,
            requested_at=row.created_at,
            requested_by=row.requested_by,
            requested_by_name=staff.get(row.requested_by),
            customer=row.customer_id,
            customer_name=customers.get(row.customer_id or ""),
            amount=views.amount(row),
            approval=row.approval_id,
            ended_at=row.closed_at,
            error_code=(row.error or {}).get("code"),
        )
        for row in rows
    ]


def _intent(row: Intent) -> MonthIntent:
    shown = set(MonthIntent.model_fields) - {"operation", "stripe_request", "opened_at"}
    return MonthIntent(
        **row.model_dump(include=shown),
        operation=row.operation_id,
        stripe_request=row.stripe_request_id,
        opened_at=row.created_at,
    )


async def _heads(session: AsyncSession, rows: Sequence[Operation]) -> list[EvidenceHead]:
    last = await months.last_events(session, [row.id for row in rows])
    return [
        EvidenceHead(
            operation=row.id,
            kind=row.kind,
            state=row.state,
            events=last[row.id].seq,
            last_event_at=last[row.id].at,
            head=last[row.id].hash,
        )
        for row in rows
        if row.id in last
    ]
