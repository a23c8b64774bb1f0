"""Percentiles, shares and deadlines, with exact values."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.core.measures import percentile, seconds, settled, share, spread

NOON = datetime(2026, 4, 16, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7.0], 50, 7.0),
        ([7.0], 95, 7.0),
        ([1, 2], 50, 1),
        ([1, 2, 3], 50, 2),
        ([4, 1, 3, 2], 50, 2),  # and not 2.5: it is always one of the values
        ([15, 20, 35, 40, 50], 30, 20),
        ([15, 20, 35, 40, 50], 40, 20),
        ([15, 20, 35, 40, 50], 100, 50),
        ([15, 20, 35, 40, 50], 0, 15),
        (list(range(1, 20)), 95, 19),
        (list(range(1, 21)), 95, 19),
        (list(range(1, 22)), 95, 20),
        (list(range(1, 101)), 95, 95),
        (list(range(1, 101)), 50, 50),
    ],
)
def test_a_percentile_is_the_value_of_the_nearest_rank(
    values: list[float], percent: int, expected: float | None
) -> None:
    assert percentile(values, percent) == expected


def test_a_share_of_nothing_is_none_and_one_is_never_rounded_up() -> None:
    assert share(0, 0) is None
    assert share(0, 3) == 0.0
    assert share(3, 4) == 0.75
    assert share(99_999, 100_000) == 0.99999


def test_seconds_are_rounded_to_the_millisecond_and_never_negative() -> None:
    assert seconds(NOON, NOON + timedelta(microseconds=1_234_499)) == 1.234
    assert seconds(NOON, NOON + timedelta(microseconds=1_234_501)) == 1.235
    assert seconds(NOON + SECOND, NOON) == 0.0


@pytest.mark.parametrize(
    ("at", "as_of", "expected"),
    [
        (NOON, NOON + SECOND, "in_time"),
        (NOON + SECOND, NOON + SECOND, "late"),
        (None, NOON, "waiting"),
        (None, NOON + SECOND, "late"),
    ],
)
def test_a_deadline_is_kept_until_the_moment_itself(
    at: datetime | None, as_of: datetime, expected: str
) -> None:
    assert settled(NOON, at, as_of) == expected


def test_a_spread_is_of_what_is_known() -> None:
    found = spread([3.0, None, 1.0])
    assert (found.count, found.p50_seconds, found.p95_seconds) == (2, 1.0, 3.0)
