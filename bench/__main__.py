"""`python -m bench [NAME…] [--json FILE]`: runs benchmarks and prints what they found."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import reports
from .benchmarks import BENCHMARKS, DEFAULT, Benchmark
from .options import Options
from .reports import Results

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
words = Console(stderr=True, highlight=False)
tables = Console(highlight=False, width=reports.WIDE)


def chosen(names: list[str]) -> list[Benchmark]:
    """The benchmarks of these names, or the default ones."""
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"{', '.join(unknown)}: the benchmarks are {', '.join(known)}")
    return [known[name] for name in names or DEFAULT]


@app.command()
def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"default: {' '.join(DEFAULT)}")] = None,
    json: Annotated[Path | None, typer.Option(help="gets everything that was found")] = None,
    postgres: Annotated[bool, typer.Option("--postgres", help="records on PostgreSQL, not SQLite")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="of measuring; more tell more")] = Options().rounds,
    profile: Annotated[Path | None, typer.Option(help="a folder for the stacks of api and worker")] = None,
    links: Annotated[int, typer.Option(min=20_000, help="of reminders")] = Options().links,
    held: Annotated[int, typer.Option(min=20, help="operations of budget and held")] = Options().held,
    quick: Annotated[bool, typer.Option("--quick", help="one small round, to see that it runs")] = False,
) -> None:
    """Run benchmarks on an embedded stack of their own, and print Markdown tables."""
    options = Options(postgres=postgres, rounds=rounds, profile=profile, links=links, held=held)
    if quick:
        options = options.model_copy(
            update={
                "rounds": 1,
                "alone": 3,
                "burst": 20,
                "changes": 200,
                "webhooks": 500,
                "objects": 10_000,
                "links": min(links, 100_000),
                "held": min(held, 60),
                "invoices": 2_000,
                "operations": 500,
            }
        )
    results = Results(database="PostgreSQL" if postgres else "SQLite")
    tables.print(f"Measured on {results.machine}.", soft_wrap=True)
    for benchmark in chosen(names or []):
        began = time.monotonic()
        words.print(f"{benchmark.name} …")
        report = benchmark.run(options)
        results.reports.append(report)
        reports.show(tables, report)
        words.print(f"{benchmark.name} took {time.monotonic() - began:.0f} s.")
        if json is not None:
            json.write_text(results.as_json(), encoding="utf-8")


if __name__ == "__main__":
    app()
