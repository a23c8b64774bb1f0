"""Bad hours: random faults over a running load of everything, and how it ends.

Time is compressed to a tenth: the policy's seconds are, and Stripe's clock goes ten times as fast. `make
bad-hours MINUTES=10` plays the whole time.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from .checks import check, check_incidents, reconciled, until_at_rest
from .faults import Episode, play
from .people import People, stock
from .stage import Stage, staged

FASTER = 10
"""Seconds of Stripe's for each of ours."""
CALM = 2.0
"""Seconds before the first fault."""


class Outcome(NamedTuple):
    episodes: list[Episode]
    people: People


async def bad_hours(folder: Path, seed: int, seconds: float, *, every: float = 1.0) -> Outcome:
    """Plays so many seconds of a seed, waits until everything is at rest, and checks it."""
    async with staged(folder) as stage:
        till = await stock(stage, number=round(seconds / every) + 20)
        people = People(stage, till, random.Random(seed))
        async with kept_up(stage, people):
            await asyncio.sleep(CALM)
            working = asyncio.create_task(people.work(seconds, every))
            episodes = await play(stage, seed, seconds)
            await working
            await people.done(within=120)
            await reconciled(stage)
            await until_at_rest(stage)
        await check(stage, people)
        await check_incidents(stage)
    return Outcome(episodes, people)


@asynccontextmanager
async def kept_up(stage: Stage, people: People) -> AsyncIterator[None]:
    """What goes on all the time, until the block ends; raises what one of it has failed with."""
    keeping = [
        asyncio.create_task(one)
        for one in (
            _time_flies(stage),
            people.keep_watch(),
            people.approve_what_waits(),
            people.close_what_failed(),
            people.close_cases(),
        )
    ]
    try:
        yield
        for task in keeping:
            if task.done():
                task.result()  # whoever kept watch has failed
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.wait(keeping)


async def _time_flies(stage: Stage) -> None:
    """At Stripe."""
    while True:
        await asyncio.sleep(1)
        await stage.control("clock", {"advance_seconds": FASTER - 1})
