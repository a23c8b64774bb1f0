"""How figures are made of many cases: percentiles, shares, times against a deadline.

Times are seconds, rounded to the millisecond; a share is between 0 and 1, and None when there is nothing to
share.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from .operations import Message

Settled = Literal["in_time", "late", "waiting"]
"""Against a deadline: kept, missed, or neither yet."""


def percentile(values: Sequence[float], percent: int) -> float | None:
    """By nearest rank: the smallest value that at least so many percent of all values don't exceed.

    Always one of the values, never something between two: p50 of 1, 2, 3, 4 is 2, and p95 of fewer than 20
    values is the greatest. None without values.
    """
    if not values:
        return None
    rank = -(-percent * len(values) // 100)  # rounded up, in whole numbers
    return sorted(values)[max(rank, 1) - 1]


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def seconds(start: datetime, end: datetime) -> float:
    """From one to the other. They may be by two machines' clocks: never less than none."""
    return max(0.0, round((end - start).total_seconds(), 3))


def settled(deadline: datetime, at: datetime | None, as_of: datetime) -> Settled:
    """How something that happened at a time, or has not happened as of one, stands to its deadline."""
    if at is not None:
        return "in_time" if at <= deadline else "late"
    return "waiting" if as_of <= deadline else "late"


class Spread(Message):
    """How long it took, of those of which it is known."""

    count: int
    p50_seconds: float | None
    p95_seconds: float | None


def spread(values: Iterable[float | None]) -> Spread:
    known = sorted(value for value in values if value is not None)
    return Spread(count=len(known), p50_seconds=percentile(known, 50), p95_seconds=percentile(known, 95))
