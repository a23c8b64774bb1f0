"""Charts as SVG made here: bars of what went as promised and, above it, what did not."""

from collections.abc import Sequence
from typing import NamedTuple

from billing.success_checks.series import SeriesPoint

WIDTH, HEIGHT, GAP = 720, 120, 3
"""In units of the drawing, which is as wide as its place."""
LEAST = 2.0
"""So high is a bar of something at least."""


class Bar(NamedTuple):
    """Where a point is drawn: from `x`, `width` wide; `met` and `missed` are from the top and how high."""

    point: SeriesPoint
    x: float
    width: float
    met: tuple[float, float]
    missed: tuple[float, float]


def bars(points: Sequence[SeriesPoint]) -> list[Bar]:
    """As high as what counted, the highest filling the drawing."""
    most = max((point.count for point in points), default=0) or 1
    width = WIDTH / max(len(points), 1)
    drawn = []
    for place, point in enumerate(points):
        met = _height(point.met, most)
        missed = _height(point.count - point.met, most)
        met = min(met, HEIGHT - missed)
        drawn.append(
            Bar(
                point,
                round(place * width, 2),
                round(width - GAP, 2),
                (round(HEIGHT - met, 2), round(met, 2)),
                (round(HEIGHT - met - missed, 2), round(missed, 2)),
            )
        )
    return drawn


def _height(count: int, most: int) -> float:
    return max(HEIGHT * count / most, LEAST) if count else 0.0
