"""Escalates notices that Finance has not acknowledged in time.

Every worker looks. Of several that find the same notice one escalates it; one that can't be escalated keeps
no other from it, and is told as what fails in sweeps.
"""

import asyncio
import logging
from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.operations.notices import escalate_late
from db.core.alone import Alone, Unit
from db.core.clock import Clock, utc_now
from db.core.session import AWAY, Database
from db.operations import notices

log = logging.getLogger(__name__)

LOOK_EVERY = 20.0
"""Seconds: the controller is told within a minute of the deadline."""
AT_ONCE = 100


class LateNotices:
    """`run` is the process's loop; `look` is one round of it."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database, self._clock = database, clock
        self._alone = Alone(database, "late notices")

    async def run(self) -> None:
        """Until it is cancelled; whatever fails is tried again."""
        while True:
            try:
                await self.look()
            except AWAY as error:
                log.warning("could not look for late notices: %s", type(error).__name__)
            except Exception:
                log.exception("could not look for late notices")
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Escalates what is late. Raises what the records raise while they are away."""
        async with self._database.reading() as session:
            late = await notices.late(session, self._clock(), AT_ONCE)
        if late:
            await self._alone.together(late, self._escalate, Unit)

    async def _escalate(self, session: AsyncSession, late: Sequence[str]) -> None:
        await escalate_late(session, late, self._clock())
