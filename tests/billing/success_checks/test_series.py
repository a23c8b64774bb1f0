"""The success checks over time: days and weeks of a calendar, and what falls into each."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from billing.success_checks.series import RowVerdict, SeriesPoint, Span, points, spans

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_days_begin_at_midnight_of_the_zone_and_keep_to_the_period() -> None:
    found = spans(at("2026-03-02T15:00:00Z"), at("2026-03-04T06:00:00Z"), "day", NEW_YORK)
    assert found == [
        (at("2026-03-02T15:00:00Z"), at("2026-03-03T05:00:00Z")),
        (at("2026-03-03T05:00:00Z"), at("2026-03-04T05:00:00Z")),
        (at("2026-03-04T05:00:00Z"), at("2026-03-04T06:00:00Z")),
    ]


def test_weeks_begin_on_monday_also_where_the_clocks_change() -> None:
    found = spans(at("2026-03-05T00:00:00Z"), at("2026-03-17T00:00:00Z"), "week", NEW_YORK)
    assert [one.begins_at for one in found] == [
        at("2026-03-05T00:00:00Z"),
        at("2026-03-09T04:00:00Z"),
        at("2026-03-16T04:00:00Z"),
    ]
    assert found[-1].ends_at == at("2026-03-17T00:00:00Z")


def test_what_has_no_time_or_no_verdict_counts_in_no_point() -> None:
    monday = Span(at("2026-03-02T00:00:00Z"), at("2026-03-03T00:00:00Z"))
    tuesday = Span(monday.ends_at, at("2026-03-04T00:00:00Z"))
    verdicts = [
        RowVerdict(monday.begins_at, True),
        RowVerdict(at("2026-03-02T23:59:59Z"), False),
        RowVerdict(monday.begins_at, None),
        RowVerdict(None, True),
        RowVerdict(at("2026-03-01T23:59:59Z"), True),
        RowVerdict(tuesday.ends_at, True),
    ]
    assert points(verdicts, [monday, tuesday]) == [
        SeriesPoint(begins_at=monday.begins_at, ends_at=monday.ends_at, count=2, met=1, share=0.5),
        SeriesPoint(begins_at=tuesday.begins_at, ends_at=tuesday.ends_at, count=0, met=0, share=None),
    ]
