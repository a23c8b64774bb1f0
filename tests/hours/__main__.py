"""`make bad-hours MINUTES=10 [SEED=…]`: bad hours at their full length."""

import argparse
import asyncio
import secrets
import tempfile
from pathlib import Path

from . import bad_hours


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hours", description=__doc__)
    parser.add_argument("-m", "--minutes", type=float, default=10, help="how long something goes wrong")
    parser.add_argument("-s", "--seed", type=int, help="a new one unless given")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="plixo-bad-hours-"))
    print(f"seed {seed}; the logs are in {folder}", flush=True)
    played = asyncio.run(bad_hours(folder, seed, asked.minutes * 60))
    people = played.people
    print(
        f"{len(played.episodes)} episodes over {len(people.asked)} operations and {len(people.elsewhere)} "
        f"cases: all ended right, once each; {len(people.resolved)} incidents cleared."
    )


if __name__ == "__main__":
    main()
