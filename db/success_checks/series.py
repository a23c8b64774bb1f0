"""The success checks over time, counted from the rows of each check."""

from collections.abc import Mapping, Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mirror.reconciliation import WHOLE
from billing.success_checks.checks import balance_differs
from billing.success_checks.series import VERDICTS, SeriesPoint, Span, point, points

from ..tables import DifferenceRow, Reconciliation
from .queries import CHECKS, CheckPeriod


async def series(
    session: AsyncSession, name: str, period: CheckPeriod, spans: Sequence[Span]
) -> list[SeriesPoint]:
    """One check's. The session should be a snapshot's: then all is of the same moment."""
    if name not in VERDICTS:
        return await _balances(session, period, spans)
    return points(map(VERDICTS[name], await CHECKS[name].all(session, period)), spans)


async def _balances(session: AsyncSession, period: CheckPeriod, spans: Sequence[Span]) -> list[SeriesPoint]:
    """By the last reconciliation of everything that was completed in each span."""
    ended_at = col(Reconciliation.ended_at)
    runs = await session.exec(
        select(Reconciliation.id, Reconciliation.ended_at)
        .where(col(Reconciliation.scope).in_(WHOLE), Reconciliation.state == "completed")
        .where(ended_at >= period.start, ended_at < period.end)
        .order_by(ended_at, col(Reconciliation.id))
    )
    last: dict[Span, str] = {}
    waiting = list(spans)
    for id_, at in runs:
        while waiting and at is not None and waiting[0].ends_at <= at:
            waiting.pop(0)
        if waiting:
            last[waiting[0]] = id_
    compared = await _compared(session, period.organization, [*last.values()])
    differing = await _differing(session, period.organization, [*last.values()])
    return [
        point(span, compared.get(last.get(span, ""), 0), _equal(last.get(span, ""), compared, differing))
        for span in spans
    ]


def _equal(run: str, compared: Mapping[str, int], differing: Mapping[str, int]) -> int:
    return max(0, compared.get(run, 0) - differing.get(run, 0))


async def _compared(session: AsyncSession, organization: str, runs: Sequence[str]) -> dict[str, int]:
    found = await session.exec(
        select(Reconciliation.id, Reconciliation.counts).where(col(Reconciliation.id).in_(runs))
    )
    return {id_: (counts or {}).get(organization, {}).get("invoice", 0) for id_, counts in found}


async def _differing(session: AsyncSession, organization: str, runs: Sequence[str]) -> dict[str, int]:
    found = await session.exec(
        select(DifferenceRow.reconciliation_id, DifferenceRow.correction, DifferenceRow.fields).where(
            DifferenceRow.organization_id == organization,
            DifferenceRow.object_kind == "invoice",
            col(DifferenceRow.reconciliation_id).in_(runs),
        )
    )
    counts: dict[str, int] = {}
    for run, correction, fields in found:
        counts[run] = counts.get(run, 0) + balance_differs(correction, fields)
    return counts
