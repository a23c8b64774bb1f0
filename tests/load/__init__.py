"""Load: the product as several processes on a PostgreSQL with a standby, under mixed work, while one after
the other is restarted, killed or lost; and how it ends.

Time is compressed to a tenth, as in bad hours, whose people do the work: `make load MINUTES=6` is an hour.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

from ..hours import kept_up
from ..hours.checks import check, reconciled, until_at_rest
from ..hours.people import People, stock
from .disturbances import Disturbance, Period
from .figures import Figures, figures
from .pages import look_at_pages
from .stage import staged


async def load(
    folder: Path,
    seed: int,
    seconds: float,
    disturbances: Sequence[Disturbance],
    *,
    every: float,
    workers: Sequence[str] = ("plixo,stripe",) * 3,
) -> Figures:
    """Works for so many seconds, begins something `every` so often (seconds), and disturbs meanwhile at even
    distances. Waits until everything is at rest, checks it, and tells the figures."""
    async with staged(folder, workers) as stage:
        till = await stock(stage, number=round(seconds / every) + 20)
        people = People(stage, till, random.Random(seed))
        periods: list[Period] = []
        async with kept_up(stage, people):
            began = time.time()
            looking = asyncio.create_task(look_at_pages(stage))
            working = asyncio.create_task(people.work(seconds, every))
            try:
                for number, disturbance in enumerate(disturbances):
                    due = began + seconds * (number + 0.5) / (len(disturbances) + 0.5)
                    await asyncio.sleep(max(0.0, due - time.time()))
                    periods.append(await disturbance.over(stage))
                await working
                await people.done(within=180)
            finally:
                looking.cancel()
                working.cancel()
            ended = time.time()
            await reconciled(stage)
            await until_at_rest(stage)
        await check(stage, people)
        return await figures(stage, began, ended, periods)
