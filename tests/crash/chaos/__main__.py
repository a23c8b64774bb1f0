"""`make chaos N=1000 [SEED=…]`: as many seeds as one likes, from the given one on, or from a new one."""

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from ..stage import LANES, Played, play, stage
from . import Tally, schedule, told


async def run(first: int, number: int, lanes: int) -> int:
    """How many seeds failed; each is told of as soon as it has."""
    tally, failed = Tally(), 0

    def tell(one: Played) -> None:
        nonlocal failed
        tally.add(one)
        if one.failure:
            failed += 1
            print(f"\r{told(one)}", flush=True)
        line = f"{tally} of {number}; {failed} failed"
        if sys.stdout.isatty():
            print(f"\r{line}", end="" if tally.played < number else "\n", flush=True)
        elif tally.played % 50 == 0 or tally.played == number:
            print(line, flush=True)

    folder = Path(tempfile.mkdtemp(prefix="plixo-chaos-"))
    print(f"seeds {first} to {first + number - 1}; the workers' logs are in {folder}", flush=True)
    async with stage(folder, lanes) as theatre:
        seeds = range(first, first + number)
        await play(theatre, map(schedule, seeds), lanes=min(lanes, number), tell=tell)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.chaos", description=__doc__)
    parser.add_argument("-n", "--number", type=int, default=200, help="how many seeds")
    parser.add_argument("-s", "--seed", type=int, help="the first of them")
    parser.add_argument("--lanes", type=int, default=LANES, help="how many at the same time")
    asked = parser.parse_args()
    first = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000_000)
    return 1 if asyncio.run(run(first, asked.number, asked.lanes)) else 0


if __name__ == "__main__":
    sys.exit(main())
