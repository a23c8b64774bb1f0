"""The list of benchmarks. A new one is a file with `run(options) -> Report` and a line here."""

from collections.abc import Callable
from typing import NamedTuple

from . import held, idle, pages, plan_change, reconciliation, refund, reminders, scale, webhooks
from .options import Options
from .reports import Report
from .stage import budget, memory, post, start


class Benchmark(NamedTuple):
    name: str
    run: Callable[[Options], Report]
    by_name_only: bool = False
    """Not run unless it is asked for: it takes long."""


BENCHMARKS = (
    Benchmark("plan_change", plan_change.run),
    Benchmark("refund", refund.run),
    Benchmark("idle", idle.run),
    Benchmark("post", post.run),
    Benchmark("start", start.run),
    Benchmark("memory", memory.run, by_name_only=True),
    Benchmark("reminders", reminders.run, by_name_only=True),
    Benchmark("budget", budget.run, by_name_only=True),
    Benchmark("held", held.run, by_name_only=True),
    Benchmark("scale", scale.run, by_name_only=True),
    Benchmark("webhooks", webhooks.run, by_name_only=True),
    Benchmark("pages", pages.run, by_name_only=True),
    Benchmark("reconciliation", reconciliation.run, by_name_only=True),
)

DEFAULT = tuple(benchmark.name for benchmark in BENCHMARKS if not benchmark.by_name_only)
