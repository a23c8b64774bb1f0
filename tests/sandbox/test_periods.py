"""Billing periods are counted from the anchor and clamp to the month's last day."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.stripe.core.periods import period_after, period_at, shift


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_a_month_anchored_on_the_31st_clamps_and_returns_to_31() -> None:
    anchor = at("2026-01-31T09:30:00")
    ends = [shift(anchor, "month", n) for n in range(1, 5)]
    assert ends == [
        at(day) for day in ("2026-02-28T09:30", "2026-03-31T09:30", "2026-04-30T09:30", "2026-05-31T09:30")
    ]


def test_a_year_anchored_on_a_leap_day_returns_to_it() -> None:
    anchor = at("2024-02-29T00:00")
    assert [shift(anchor, "year", n) for n in (1, 4)] == [at("2025-02-28T00:00"), at("2028-02-29T00:00")]


@pytest.mark.parametrize(
    ("interval", "count", "moment", "start", "end"),
    [
        ("month", 1, "2026-02-27T23:59:59", "2026-01-31T00:00", "2026-02-28T00:00"),
        ("month", 1, "2026-02-28T00:00:00", "2026-02-28T00:00", "2026-03-31T00:00"),
        ("month", 3, "2026-05-01T00:00:00", "2026-04-30T00:00", "2026-07-31T00:00"),
        ("year", 1, "2026-01-30T00:00:00", "2025-01-31T00:00", "2026-01-31T00:00"),
        ("week", 2, "2026-02-20T00:00:00", "2026-02-14T00:00", "2026-02-28T00:00"),
        ("day", 10, "2026-02-09T23:00:00", "2026-01-31T00:00", "2026-02-10T00:00"),
    ],
)
def test_the_period_around_a_moment(interval: str, count: int, moment: str, start: str, end: str) -> None:
    assert period_at(at("2026-01-31T00:00"), interval, count, at(moment)) == (at(start), at(end))


def test_the_period_after_a_boundary_ends_at_the_next_one() -> None:
    anchor = at("2026-01-31T00:00")
    assert period_after(anchor, "month", 1, at("2026-02-28T00:00")) == (
        at("2026-02-28T00:00"),
        at("2026-03-31T00:00"),
    )


@given(
    anchor=st.integers(0, 2**32),
    moment=st.integers(0, 2**32),
    interval=st.sampled_from(["day", "week", "month", "year"]),
    count=st.integers(1, 12),
)
def test_every_moment_lies_in_exactly_one_period(anchor: int, moment: int, interval: str, count: int) -> None:
    start, end = period_at(anchor, interval, count, moment)
    assert start <= moment < end
    assert period_at(anchor, interval, count, end)[0] == end
    assert period_at(anchor, interval, count, start - 1)[1] == start
