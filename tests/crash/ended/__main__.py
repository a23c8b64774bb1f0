"""`python -m tests.crash.ended -n 200 [-s SEED]`: as many seeds as one likes; `--every` for each once."""

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from . import every_one, schedule
from .play import play
from .theatre import theatre


async def run(first: int, number: int, every: bool) -> int:
    """How many failed."""
    parts = every_one() if every else [schedule(seed) for seed in range(first, first + number)]
    print(f"{'every one' if every else f'seeds {first} to {first + number - 1}'}", flush=True)
    async with theatre(Path(tempfile.mkdtemp(prefix="plixo-ended-"))) as stage:
        await play(stage, parts)
    print(f"{stage.played} played, {stage.struck} blows struck, {len(stage.failures)} failed")
    return len(stage.failures)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.ended", description=__doc__)
    parser.add_argument("-n", "--number", type=int, default=200, help="how many seeds")
    parser.add_argument("-s", "--seed", type=int, help="the first of them")
    parser.add_argument("--every", action="store_true", help="each kind at each stage with each blow")
    asked = parser.parse_args()
    first = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000_000)
    return 1 if asyncio.run(run(first, asked.number, asked.every)) else 0


if __name__ == "__main__":
    sys.exit(main())
