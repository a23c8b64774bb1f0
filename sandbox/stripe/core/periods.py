"""Billing periods: where a subscription's cycle begins and ends, in Unix seconds (UTC).

Every boundary is counted from the billing cycle anchor, never from the boundary before it, so that a month
anchored on the 31st bills on 28 February and returns to the 31st in March (Stripe: "billing cycle anchor"
page).
"""

import calendar
from datetime import UTC, datetime

DAY = 86_400
_DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}


def shift(anchor: int, interval: str, count: int) -> int:
    """The anchor moved by `count` intervals (negative: back), its day clamped to the month's last.

    `interval` is day, week, month or year; any other raises KeyError.
    """
    if interval in _DAYS:
        return anchor + count * _DAYS[interval] * DAY
    start = datetime.fromtimestamp(anchor, UTC)
    months = start.year * 12 + start.month - 1 + count * MONTHS[interval]
    year, month = divmod(months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def period_at(anchor: int, interval: str, interval_count: int, at: int) -> tuple[int, int]:
    """The period [start, end) of the cycle through `anchor` that contains the second `at`."""
    index = _guess(anchor, interval, interval_count, at)
    while shift(anchor, interval, index * interval_count) > at:
        index -= 1
    while shift(anchor, interval, (index + 1) * interval_count) <= at:
        index += 1
    return shift(anchor, interval, index * interval_count), shift(
        anchor, interval, (index + 1) * interval_count
    )


def period_after(anchor: int, interval: str, interval_count: int, start: int) -> tuple[int, int]:
    """The period that begins at `start`: it ends at the cycle's first boundary after `start`."""
    return start, period_at(anchor, interval, interval_count, start)[1]


def _guess(anchor: int, interval: str, interval_count: int, at: int) -> int:
    if interval in _DAYS:
        return (at - anchor) // (_DAYS[interval] * DAY * interval_count)
    begin, now = datetime.fromtimestamp(anchor, UTC), datetime.fromtimestamp(at, UTC)
    months = (now.year - begin.year) * 12 + now.month - begin.month
    return months // (MONTHS[interval] * interval_count)
