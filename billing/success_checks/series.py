"""The success checks over time: for each day or week what counted, and what of it went as promised."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from ..core.measures import share
from ..core.operations import Message
from .checks import AccessTrouble, AuthorizedOperation, CompletedRefund, FlaggedChange, Outage

Step = Literal["day", "week"]
MOST_STEPS = 100


class SeriesPoint(Message):
    """From `begins_at` until before `ends_at`; a share of None: nothing counted."""

    begins_at: AwareDatetime
    ends_at: AwareDatetime
    count: int
    met: int
    share: float | None


class RowVerdict(NamedTuple):
    """When a row counts, and whether it went as promised. One of no time, or no verdict, does not count."""

    at: datetime | None
    met: bool | None


class Span(NamedTuple):
    begins_at: datetime
    ends_at: datetime


def spans(start: datetime, end: datetime, step: Step, zone: ZoneInfo) -> list[Span]:
    """The days or weeks (from Monday) of a zone's calendar that a period touches, within the period."""
    first = start.astimezone(zone).date()
    if step == "week":
        first -= timedelta(days=first.weekday())
    length = timedelta(days=7 if step == "week" else 1)
    found, at = [], first
    while _midnight(at, zone) < end:
        span = Span(max(_midnight(at, zone), start), min(_midnight(at + length, zone), end))
        found.append(span)
        at += length
    return found


def points(verdicts: Iterable[RowVerdict], spans: Sequence[Span]) -> list[SeriesPoint]:
    """Each verdict in the span that has its time."""
    counted, kept = [0] * len(spans), [0] * len(spans)
    begins, ends = [span.begins_at for span in spans], [span.ends_at for span in spans]
    for at, met in verdicts:
        if at is None or met is None:
            continue
        place = bisect_right(begins, at) - 1
        if place >= 0 and at < ends[place]:
            counted[place] += 1
            kept[place] += met
    return list(map(point, spans, counted, kept))


def point(span: Span, count: int, met: int) -> SeriesPoint:
    return SeriesPoint(
        begins_at=span.begins_at, ends_at=span.ends_at, count=count, met=met, share=share(met, count)
    )


def _allowed(row: AuthorizedOperation) -> RowVerdict:
    return RowVerdict(row.allowed_at, row.within)


def _trouble(row: AccessTrouble) -> RowVerdict:
    outcome = row.outcome
    return RowVerdict(row.noticed_at, None if outcome == "waiting" else outcome == "in_time")


def _outage(row: Outage) -> RowVerdict:
    return RowVerdict(row.cleared_at, row.with_note)


def _refund(row: CompletedRefund) -> RowVerdict:
    return RowVerdict(row.completed_at, row.named)


def _change(row: FlaggedChange) -> RowVerdict:
    outcome = row.outcome
    return RowVerdict(row.requested_at, None if outcome == "ended_before" else outcome == "flagged")


VERDICTS: dict[str, Callable[[Any], RowVerdict]] = {
    "approved_to_visible": _allowed,
    "portal_troubles_same_day": _trouble,
    "incidents_with_note": _outage,
    "refunds_with_notes": _refund,
    "plan_changes_flagged": _change,
}
"""How a check's figures judge its rows. Balances are those of one reconciliation, and have no rows but what
differed."""


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)
