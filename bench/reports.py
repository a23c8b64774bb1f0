"""What a benchmark found: a table, targets met or missed, and notes; as Markdown and as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from rich import box
from rich.console import Console
from rich.table import Table

WIDE = 200
"""Columns; a row of a Markdown table must not be broken."""


class Target(BaseModel):
    """Something to be reached: `measured` against `wanted`, by `sense`."""

    model_config = ConfigDict(frozen=True)

    what: str
    measured: float
    sense: str
    """`≤` or `≥`."""
    wanted: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.measured <= self.wanted if self.sense == "≤" else self.measured >= self.wanted

    def as_row(self) -> tuple[str, str, str, str]:
        unit = self.unit and f" {self.unit}"
        return (
            self.what,
            f"{figure(self.measured)}{unit}",
            f"{self.sense} {self.wanted:g}{unit}",
            "met" if self.met else "MISSED",
        )


class Report(BaseModel):
    """`columns` and `rows` are for people; `facts` holds the same and more for machines."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    targets: list[Target] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)


def figure(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def milliseconds(seconds: float) -> str:
    return f"{figure(seconds * 1000)} ms"


def percentile(values: Sequence[float], percent: int) -> float:
    """Of at least one value, by interpolation."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of rounds: what changes from round to round affects both of one round."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def machine() -> str:
    """What it was measured on."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{cpus} × {_processor()}, {system}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "CPU")


def show(console: Console, report: Report) -> None:
    """Print it as Markdown, which can be pasted into docs/operating/benchmarks.md."""
    console.print(f"\n### {report.name}: {report.title}\n", markup=False, soft_wrap=True)
    _table(console, report.columns, report.rows)
    if report.targets:
        console.print()
        _table(console, ("target", "measured", "wanted", ""), [target.as_row() for target in report.targets])
    if report.notes:
        console.print()
    for note in report.notes:
        console.print(f"- {note}", markup=False, soft_wrap=True)


def _table(console: Console, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(box=box.MARKDOWN)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False)


class Results(BaseModel):
    """Of one run, for machines."""

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    machine: str = Field(default_factory=machine)
    database: str
    reports: list[Report] = Field(default_factory=list)

    def as_json(self) -> str:
        document = self.model_dump(mode="json")
        for report, shown in zip(self.reports, document["reports"], strict=True):
            for target, row in zip(report.targets, shown["targets"], strict=True):
                row["met"] = target.met
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
