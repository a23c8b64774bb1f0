"""Finance's month, with the files to keep of it; what an auditor takes along; cases and disputes."""

from datetime import date, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from fastapi import Depends, Request, Response
from pydantic import BaseModel

from billing.core.operations import Kind
from db.core.clock import utc_now

from ..cases import routes as cases
from ..cases.schemas import CasesQuery
from ..evidence import exports, months, roots
from ..evidence.exports import EXPORTERS
from ..evidence.schemas import ExportQuery, MonthQuery, RootsQuery
from ..http.context import InContext
from ..money import disputes
from ..money.schemas import DisputesQuery
from ..problems.problem import not_found
from .frame.calls import wanting_csv
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/finance")

SHOWN_MONTHS = 6
NEWEST = RootsQuery(sort="-number", limit=14)
"""Roots that the page shows: two weeks."""
PARTS = {
    "operations": months.list_operations,
    "intents": months.list_intents,
    "evidence-heads": months.list_heads,
}

InMonthQuery = Annotated[MonthQuery, Depends(asked(MonthQuery))]


@router.get("/months")
async def this_month(visit: InVisit) -> Response:
    """The one that runs, by the organization's calendar."""
    return see(f"/finance/months/{_last_months(visit.shell.organization.zone)[0]}")


@router.get("/months/{month}")
async def read_month(month: months.InMonth, query: InMonthQuery, visit: InVisit) -> Response:
    """What it has, and the files to keep."""
    found = await months.list_operations(month, query, visit.request, visit.context)
    changes = [row.id for row in found.data if row.kind == Kind.PLAN_CHANGE]
    called = await visit.headlines(changes) if changes else {}
    first, after = (at.astimezone(ZoneInfo(month.zone)) for at in (month.span.start, month.span.end))
    return visit.page("month", title=_called(first, "MMMM y"),
        month=month, rows=found.data, called=called, next_cursor=found.next_cursor,
        first=first.date(), last=after.date() - timedelta(days=1),
        months=[
            (name, _called(date.fromisoformat(f"{name}-01"), "MMM y"))
            for name in _last_months(visit.shell.organization.zone)
        ],
    )  # fmt: skip


@router.get("/months/{month}/json")
async def download_month(month: months.InMonth, context: InContext) -> Any:
    return await months.export_month(month, context)


@router.get("/months/{month}/{part}/csv")
async def download_part(part: str, month: months.InMonth, request: Request, context: InContext) -> Any:
    if part not in PARTS:
        raise not_found()
    return await PARTS[part](month, MonthQuery(), wanting_csv(request), context)


@router.get("/audit")
async def read_audit(visit: InVisit) -> Response:
    """The last roots, to keep elsewhere, and the export of a period."""
    found = await roots.list_roots(NEWEST, visit.request, visit.caller, visit.context)
    today = utc_now().date()
    last = today.replace(day=1) - timedelta(days=1)
    return visit.page("audit", title="Audit",
        rows=found.data, first=last.replace(day=1), last=last, today=today,
        may_export=not visit.caller.roles.isdisjoint(EXPORTERS),
    )  # fmt: skip


@router.get("/audit/evidence")
async def download_evidence(
    query: Annotated[ExportQuery, Depends(asked(ExportQuery))], visit: InVisit
) -> Response:
    return await exports.export_evidence(query, visit.caller, visit.context)


@router.get("/audit/roots/json")
async def download_roots(visit: InVisit) -> Response:
    """The newest of them, as `python -m billing.evidence` takes them."""
    query = RootsQuery(sort="-number", limit=100)
    found = await roots.list_roots(query, visit.request, visit.caller, visit.context)
    return _kept("roots", found)


@router.get("/audit/keys/json")
async def download_keys(visit: InVisit) -> Response:
    return _kept("keys", await roots.list_signing_keys(visit.caller, visit.context))


@router.get("/cases")
async def list_cases(query: Annotated[CasesQuery, Depends(asked(CasesQuery))], visit: InVisit) -> Response:
    """What was made in Stripe itself, each with the note it owes."""
    found = await cases.list_cases(query, visit.request, visit.caller, visit.context)
    names = await visit.names([row.model_dump(include={"customer"}) for row in found.data])
    return visit.page("cases", title="Cases", rows=found.data, names=names, next_cursor=found.next_cursor)


@router.get("/disputes")
async def list_disputes(
    query: Annotated[DisputesQuery, Depends(asked(DisputesQuery))], visit: InVisit
) -> Response:
    """The newest first; they are answered in Stripe."""
    found = await disputes.list_disputes(query, visit.request, visit.caller, visit.context)
    whose = [row.model_dump(include={"customer"}) for row in found.data]
    names = await visit.names(whose, {row.payment for row in found.data})
    return visit.page("disputes", title="Disputes",
        rows=found.data, next_cursor=found.next_cursor, names=names,
    )  # fmt: skip


def _kept(name: str, document: BaseModel) -> Response:
    return Response(
        document.model_dump_json(),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}.json"'},
    )


def _called(day: date, pattern: str) -> str:
    return format_date(day, pattern, locale="en")


def _last_months(zone: str) -> list[str]:
    """The running one first."""
    now = utc_now().astimezone(ZoneInfo(zone))
    counted = (now.year * 12 + now.month - 1 - back for back in range(SHOWN_MONTHS))
    return [f"{month // 12}-{month % 12 + 1:02}" for month in counted]
