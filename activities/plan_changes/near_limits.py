"""Whether organizations come near the limits of their plans, which their admins are then told."""

from temporalio import activity

from db.core.clock import Clock, utc_now
from db.core.session import Database
from db.mirror import near_limits


class NearLimits:
    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database, self._clock = database, clock

    @activity.defn
    async def mail_near_limits(self, after: str) -> str | None:
        """Looks at the next organizations after this id, each in a transaction of its own; returns the last
        one's id, None where there are no more."""
        async with self._database.reading() as session:
            ids = await near_limits.page(session, after)
        for id_ in ids:
            async with self._database.transaction() as session:
                await near_limits.tell(session, id_, self._clock())
        return ids[-1] if len(ids) == near_limits.PAGE else None
