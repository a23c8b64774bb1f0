"""`make outage MINUTES=10`: the database is away for so long under two hundred open operations."""

import argparse
import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from . import outage
from .crowd import FULL
from .histories import MAX_AN_HOUR


def say(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.outage", description=__doc__)
    parser.add_argument("-m", "--minutes", type=float, default=10, help="how long the database is away")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="plixo-outage-"))
    print(f"away for {asked.minutes:g} minutes; the logs are in {folder}", flush=True)
    figures = asyncio.run(outage(folder, asked.minutes * 60, FULL, say))
    print(figures)
    dear = [one for one in figures.costs if max(one.added, one.an_hour) > MAX_AN_HOUR]
    if dear:
        raise SystemExit(f"more than {MAX_AN_HOUR} events an hour: {dear[:10]}")


if __name__ == "__main__":
    main()
