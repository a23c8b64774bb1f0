"""What a load has shown: how fast it was answered, what failed while it was disturbed, and for how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlmodel import select

from bench.reports import figure, milliseconds, percentile
from db.tables import Operation

from .disturbances import Period
from .stage import Answer, LoadStage


class Told(NamedTuple):
    """Of one disturbance. Times are seconds."""

    what: str
    lasted: float
    answers: int
    failed: int
    recovered: float
    """From its begin to the last answer that failed; 0 when none did."""
    longest: float
    """From the request to the end of the operation that took longest of those that were open meanwhile."""


@dataclass(frozen=True)
class Figures:
    seconds: float
    answers: Sequence[Answer]
    disturbances: Sequence[Told]
    kinds: Sequence[str]
    """Of each operation that has ended."""
    median: float
    """Seconds from the request to the end of an operation, approvals among them."""
    cpu: dict[str, float]
    """Seconds of processors that an operation took, by `api` and `worker`: pages and looks among them."""

    def lines(self) -> Iterator[str]:
        """As Markdown."""
        failed = sum(one.failed for one in self.answers)
        yield (
            f"{len(self.answers)} requests in {self.seconds:.0f} s "
            f"({figure(len(self.answers) / self.seconds)} a second), {failed} without a good answer; "
            f"{len(self.kinds)} operations, at the median {figure(self.median)} s each; CPU time of one: "
            + ", ".join(f"{part} {milliseconds(used)}" for part, used in self.cpu.items())
        )
        yield "\n| | requests | p50 | p95 | p99 |\n|---|---|---|---|---|"
        for what in ("POST", "GET", "page"):
            took = [one.took for one in self.answers if one.what == what and not one.failed]
            times = " | ".join(milliseconds(percentile(took, percent)) for percent in (50, 95, 99))
            yield f"| {what} | {len(took)} | {times} |"
        yield "\n| | lasted | failed, of | the last one after | longest operation |\n|---|---|---|---|---|"
        for one in self.disturbances:
            yield (
                f"| {one.what} | {one.lasted:.1f} s | {one.failed}, {one.answers} | {one.recovered:.1f} s "
                f"| {one.longest:.1f} s |"
            )


async def figures(stage: LoadStage, began: float, ended: float, periods: Sequence[Period]) -> Figures:
    """Of everything between `began` and `ended` (by `time.time`)."""
    async with stage.records.snapshot() as session:
        operations = [one for one in await session.exec(select(Operation)) if one.closed_at]
    spans = [(_seconds(one.created_at), _seconds(one.closed_at)) for one in operations if one.closed_at]
    took = [end - begin for begin, end in spans]
    return Figures(
        ended - began,
        [one for one in stage.answers if began <= one.at <= ended],
        [
            _told(one, until, stage.answers, spans)
            for one, until in zip(periods, [*(next_.began for next_ in periods[1:]), ended], strict=True)
        ],
        [str(one.kind) for one in operations],
        percentile(took, 50),
        {part: used / len(operations) for part, used in stage.fleet.used().items()},
    )


def _told(
    period: Period, until: float, answers: Sequence[Answer], spans: Sequence[tuple[float, float]]
) -> Told:
    """`until` the next one begins: what comes late is this one's, too."""
    meant = [one for one in answers if period.began <= one.at + one.took < until]
    failed = [one for one in meant if one.failed]
    last = max((one.at + one.took for one in failed), default=period.began)
    open_ = [end - begin for begin, end in spans if end > period.began and begin < period.ended]
    return Told(
        period.what,
        period.ended - period.began,
        len(meant),
        len(failed),
        last - period.began,
        max(open_, default=0.0),
    )


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
