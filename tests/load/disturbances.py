"""What happens to the processes while the work goes on: as deployments, machines and clusters do it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from .stage import LoadStage

PROMOTED_AFTER = 3.0
"""Seconds until whoever watches PostgreSQL promotes the standby."""
LOST_FOR = 5.0
"""Seconds that an API is away."""


class Period(NamedTuple):
    """From the first thing that was done until everything was ready again (by `time.time`)."""

    what: str
    began: float
    ended: float


@dataclass(frozen=True)
class Disturbance:
    what: str
    happens: Callable[[LoadStage], Awaitable[None]]

    async def over(self, stage: LoadStage) -> Period:
        """Returns when everything is ready again."""
        began = time.time()
        await self.happens(stage)
        return Period(self.what, began, time.time())


async def _restart_workers(stage: LoadStage) -> None:
    for name in stage.fleet.names("worker"):
        await stage.fleet.stop(name)
        await stage.fleet.start(name)


async def _restart_apis(stage: LoadStage) -> None:
    for name in stage.fleet.names("api"):
        await stage.fleet.stop(name)
        await stage.fleet.start(name)


async def _kill_workers(stage: LoadStage) -> None:
    for name in stage.fleet.names("worker"):
        await stage.fleet.kill(name)
        await stage.fleet.start(name)


async def _lose_an_api(stage: LoadStage) -> None:
    lost = stage.fleet.names("api")[0]
    await stage.fleet.kill(lost)
    await asyncio.sleep(LOST_FOR)
    await stage.fleet.start(lost)


async def _fail_over(stage: LoadStage) -> None:
    await stage.postgres.primary.kill()
    await asyncio.sleep(PROMOTED_AFTER)
    await stage.postgres.standby.promote()


RESTARTED_WORKERS = Disturbance("workers restarted, one after the other", _restart_workers)
RESTARTED_APIS = Disturbance("APIs restarted, one after the other", _restart_apis)
KILLED_WORKERS = Disturbance("workers killed, one after the other", _kill_workers)
LOST_API = Disturbance(f"one API killed, and away for {LOST_FOR:.0f} s", _lose_an_api)
FAILED_OVER = Disturbance(f"PostgreSQL killed, its standby promoted after {PROMOTED_AFTER:.0f} s", _fail_over)

EVERY = (RESTARTED_WORKERS, RESTARTED_APIS, KILLED_WORKERS, LOST_API, FAILED_OVER)
