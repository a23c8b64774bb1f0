"""The rows of runs that hold our mirror against Stripe: begun, going on, ended."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.operations import SYSTEM
from billing.mirror.reconciliation import ASKED_FOR, STOPPED, BeginRun, EndRun, RunAt
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import differences, reconciliations
from db.tables import Reconciliation, new_id

IsOver = Callable[[str, timedelta], Awaitable[bool]]
"""Whether a workflow has ended, by its id and the age of its row."""


class Reconciliations:
    """One transaction each, and each may be repeated.

    Times are by the clock of those who read Stripe, which the mirror's `synced_at` are held against.
    """

    def __init__(self, database: Database, is_over: IsOver, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._is_over = is_over
        self._clock = clock

    @activity.defn
    async def begin_reconciliation(self, order: BeginRun) -> str:
        """The id of the run's row, made now if it is by schedule.

        Earlier runs that were stopped from outside (terminated, or timed out) are noted to have failed: they
        could not do so themselves.
        """
        at = self._clock()
        async with self._database.reading() as session:
            open_ = [
                run for run in await reconciliations.running(session) if run.workflow_id != order.workflow
            ]
        stopped = [run.id for run in open_ if await self._is_over(run.workflow_id, at - run.started_at)]
        async with self._database.transaction() as session:
            await reconciliations.end(session, stopped, at, STOPPED)
            run = order.reconciliation or await _by_schedule(session, order.workflow, at)
            await reconciliations.begin(session, run, at)
        return run

    @activity.defn
    async def record_stage(self, at: RunAt) -> None:
        """For who watches the run."""
        async with self._database.transaction() as session:
            await reconciliations.reach(session, at.reconciliation, at.stage)

    @activity.defn
    async def end_reconciliation(self, order: EndRun) -> None:
        """Notes the end; takes back what was only on its way to us; deletes runs that nobody misses.

        Those are runs by schedule, completed, without a difference and not among the newest hundred by
        schedule: a run each quarter of an hour that finds nothing must not grow the tables for ever.
        """
        at = self._clock()
        async with self._database.transaction() as session:
            await reconciliations.end(session, [order.reconciliation], at, order.problem, order.missed)
            await differences.take_back(session, at)
            await reconciliations.forget(session)


async def _by_schedule(session: AsyncSession, workflow: str, at: datetime) -> str:
    """Once for each workflow, however often this is tried."""
    earlier = await reconciliations.of_workflow(session, workflow)
    if earlier is not None:
        return earlier.id
    run = Reconciliation(
        id=new_id("rec"), requested_by=SYSTEM, stage=ASKED_FOR, workflow_id=workflow, started_at=at
    )
    session.add(run)
    await session.flush()
    return run.id
