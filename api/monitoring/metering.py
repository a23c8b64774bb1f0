"""What this process has counted of how calls went, added to the records now and then."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from db.core.session import AWAY, Database
from db.incidents.health_meter import HealthMeter

log = logging.getLogger(__name__)

EVERY = 1.0
WITHIN = 5.0
"""Seconds."""


@asynccontextmanager
async def flushed(meter: HealthMeter, database: Database) -> AsyncIterator[None]:
    """Within, the meter is flushed every second, and once more at the end."""
    task = asyncio.create_task(_keep_flushing(meter, database))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await _flush(meter, database)


async def _keep_flushing(meter: HealthMeter, database: Database) -> None:
    while True:
        await asyncio.sleep(EVERY)
        await _flush(meter, database)


async def _flush(meter: HealthMeter, database: Database) -> None:
    """What can't be written now is kept for the next time."""
    try:
        async with asyncio.timeout(WITHIN):
            await meter.flush(database)
    except AWAY as error:
        log.warning("could not store the call counts, will retry: %s", type(error).__name__)
