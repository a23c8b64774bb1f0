"""`make load MINUTES=6 [SEED=…]`: load with every disturbance; prints the figures."""

import argparse
import asyncio
import secrets
import tempfile
from pathlib import Path

from . import load
from .disturbances import EVERY


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("-m", "--minutes", type=float, default=3, help="how long work is begun")
    parser.add_argument("-e", "--every", type=float, default=0.7, help="seconds between two operations")
    parser.add_argument("-s", "--seed", type=int, help="a new one unless given")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="plixo-load-"))
    print(f"seed {seed}; the logs are in {folder}", flush=True)
    shown = asyncio.run(load(folder, seed, asked.minutes * 60, EVERY, every=asked.every))
    print("\n".join(shown.lines()))


if __name__ == "__main__":
    main()
