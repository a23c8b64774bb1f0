"""The records of an operation: what it is at, what it uses."""

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.limits import Usage
from billing.messages import Progress, UsageQuery
from db import mirror, timeline
from db.session import Database

from .endings import end_operation, move


class Records:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def tell(self, progress: Progress) -> None:
        """Appends the event to the operation's timeline and moves the operation on, together."""
        async with self._database.transaction() as session:
            await write(session, progress)

    @activity.defn
    async def usage(self, query: UsageQuery) -> Usage:
        """What the organization uses of its plan, by our mirror and our people."""
        async with self._database.reading() as session:
            return await mirror.usage(session, query.organization, query.currency)


async def write(session: AsyncSession, progress: Progress) -> None:
    """Within a transaction of the caller's: operation row and timeline event.

    An event that was told before moves nothing: what an earlier attempt wrote stands. One that ends the
    operation goes through `end_operation`, like every other end.
    """
    if progress.ends:
        await end_operation(session, progress)
        return
    if progress.state is not None:
        await move(session, progress)
    await timeline.append(
        session,
        progress.operation,
        key=progress.key,
        event=progress.event,
        actor=progress.actor,
        at=progress.at,
        detail=progress.detail,
    )
