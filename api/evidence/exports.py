"""An auditor's export: a period in one ZIP, streamed while it is read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from billing.core.operations import Role
from billing.evidence.seals.archive import ManualOf
from billing.evidence.seals.export import ExportWriter
from billing.evidence.seals.roots import SealedHead, SignedRoot
from db.core.pages import each_row
from db.evidence import months, reader, roots
from db.evidence.months import MonthSpan
from db.tables import Operation

from ..http.auth import AnyCaller
from ..http.context import Context, InContext
from ..http.csv_lists import PAGE
from ..http.openapi import answers
from ..problems.common import INVALID_REQUEST, ROLE_MISSING
from ..problems.problem import ApiProblem
from ..success_checks.problems import PERIOD_INVERTED, PERIOD_TOO_LONG
from .schemas import LONGEST, ExportQuery

router = APIRouter(prefix="/v1/evidence", tags=["Evidence"])

ZIP = {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}, "example": "PK..."}}}

EXPORTERS = (Role.AUDITOR, Role.CONTROLLER, Role.FINANCE)
"""Who may take everything of a period with them."""


@router.get(
    "/export",
    summary="Export evidence",
    response_class=StreamingResponse,
    responses=answers({}, ROLE_MISSING, INVALID_REQUEST, PERIOD_INVERTED, PERIOD_TOO_LONG) | {200: ZIP},
)
async def export_evidence(
    query: Annotated[ExportQuery, Query()], caller: AnyCaller, context: InContext
) -> StreamingResponse:
    """Everything of the operations that went on from one UTC day to another, at most 366 days in all: their
    evidence, tables to read, the days' roots with the heads that they stand for, the public keys, and how to
    check all of it: `python -m billing.evidence FILE`. For auditors, controllers and Finance.
    """
    caller.needs(*EXPORTERS)
    if query.to < query.from_:
        raise ApiProblem.of(PERIOD_INVERTED)
    if query.to - query.from_ >= LONGEST:
        raise ApiProblem.of(PERIOD_TOO_LONG)
    return StreamingResponse(
        _written(context, caller.organization, query),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="evidence-{query.from_}-{query.to}.zip"'},
    )


async def _written(context: Context, organization: str, query: ExportQuery) -> AsyncIterator[bytes]:
    """The ZIP, operation by operation; what is recorded meanwhile may be in it, and fits."""
    of_days = [
        roots.root_of(row)
        async for row in each_row(
            context.database,
            roots.listed(organization, first=query.from_, last=query.to),
            at_once=PAGE,
        )
    ]
    heads = await _heads(context, organization, of_days)
    begin = datetime.combine(query.from_, time(), UTC)
    span = MonthSpan(organization, begin, datetime.combine(query.to, time(), UTC) + timedelta(days=1))
    numbers = (of_days[0].number, of_days[-1].number) if of_days else None
    writer = ExportWriter()
    async for operation in each_row(context.database, months.gone_on(span, numbers), at_once=PAGE):
        async with context.database.snapshot() as session:
            evidence = await reader.read(session, await session.get_one(Operation, operation.id))
        writer.add(evidence)
        if piece := writer.taken():
            yield piece
    async with context.database.reading() as session:
        keys = await roots.keys(session)
    writer.finish(ManualOf(organization, f"{query.from_}", f"{query.to}"), of_days, heads, keys)
    yield writer.taken()


async def _heads(
    context: Context, organization: str, of_days: list[SignedRoot]
) -> list[tuple[int, SealedHead]]:
    if not of_days:
        return []
    listing = roots.heads(organization, numbers=(of_days[0].number, of_days[-1].number))
    return [
        (row.number, roots.head_of(row)) async for row in each_row(context.database, listing, at_once=PAGE)
    ]
