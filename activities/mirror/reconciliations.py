"""The rows of runs that hold our mirror against Stripe: begun, going on, ended."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.operations import SYSTEM
from billing.mirror.reconciliation import (
    ASKED_FOR,
    STOPPED,
    BeginRun,
    BegunReconciliation,
    EndRun,
    RollingPage,
    RollOn,
    RunAt,
    RunScope,
    StripeNews,
    WindowsCompared,
    pages_due,
)
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import differences, reconciliations, windows
from db.tables import Reconciliation, new_id

from .pages import PAGE

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
    async def begin_reconciliation(self, order: BeginRun) -> BegunReconciliation:
        """The run's row, made now if it is by schedule; the first one by schedule compares everything.

        Earlier runs that were stopped from outside (terminated, or timed out) are noted to have failed: they
        could not do so themselves.
        """
        at = self._clock()
        async with self._database.reading() as session:
            open_ = [
                run
                for run in await reconciliations.running(session)
                if run.workflow_id != order.workflow and run.scope != reconciliations.ROLLING
            ]
        stopped = [run.id for run in open_ if await self._is_over(run.workflow_id, at - run.started_at)]
        async with self._database.transaction() as session:
            await reconciliations.end(session, stopped, at, STOPPED)
            if order.reconciliation is not None:
                begun = BegunReconciliation(reconciliation=order.reconciliation, scope=order.scope)
            else:
                begun = await _by_schedule(session, order, at)
            await reconciliations.begin(session, begun.reconciliation, at)
        return begun

    @activity.defn
    async def record_stage(self, at: RunAt) -> None:
        """For who watches the run."""
        async with self._database.transaction() as session:
            await reconciliations.reach(session, at.reconciliation, at.stage)

    @activity.defn
    async def look_for_news(self, _: RunAt) -> StripeNews:
        """Whether what is new in Stripe is to be compared, or nothing is."""
        async with self._database.reading() as session:
            return await windows.news(session, self._clock())

    @activity.defn
    async def record_windows(self, order: WindowsCompared) -> None:
        """What is new in Stripe is compared."""
        async with self._database.transaction() as session:
            await windows.all_compared(session, order.until, self._clock())

    @activity.defn
    async def record_rolling(self, order: RollOn) -> RollingPage | None:
        """Notes that a page of the rolling comparison is done, and answers which one is due; None for none.

        One that has ended begins anew with the next run.
        """
        at = self._clock()
        async with self._database.transaction() as session:
            run = await reconciliations.rolling(session)
            if order.next is not None and (run is None or run.id != order.next.reconciliation):
                return None  # an earlier attempt has ended it
            if run is None:
                run = await _new_rolling(session, at)
            elif order.next is not None and order.stage is None:
                await reconciliations.end(session, [run.id], at, None)
                return None
            elif order.next is not None and order.stage is not None:
                await reconciliations.roll_on(session, order.next, order.stage)
            expected = await reconciliations.expected_pages(session, PAGE)
            if not pages_due(run.pages, expected, at - run.started_at):
                return None
            return RollingPage.model_validate(run.place)

    @activity.defn
    async def end_reconciliation(self, order: EndRun) -> None:
        """Notes the end; takes back what was only on its way to us; deletes runs that nobody misses.

        Those are runs by schedule, completed, without a difference and not among the newest hundred by
        schedule: a run each hour that finds nothing must not grow the tables for ever.
        """
        at = self._clock()
        async with self._database.transaction() as session:
            await reconciliations.end(session, [order.reconciliation], at, order.problem, order.missed)
            await differences.take_back(session, at)
            await reconciliations.forget(session)


async def _by_schedule(session: AsyncSession, order: BeginRun, at: datetime) -> BegunReconciliation:
    """Once for each workflow, however often this is tried."""
    run = await reconciliations.of_workflow(session, order.workflow)
    if run is None:
        first = order.scope == "recent" and await reconciliations.never_whole(session)
        run = _row("all" if first else order.scope, order.workflow, at)
        session.add(run)
        await session.flush()
    return BegunReconciliation.model_validate({"reconciliation": run.id, "scope": run.scope})


async def _new_rolling(session: AsyncSession, at: datetime) -> Reconciliation:
    run = _row("rolling", "", at)
    run.workflow_id = f"rolling-{run.id}"
    run.place = RollingPage(reconciliation=run.id).model_dump(mode="json")
    session.add(run)
    await session.flush()
    return run


def _row(scope: RunScope, workflow: str, at: datetime) -> Reconciliation:
    return Reconciliation(
        id=new_id("rec"),
        requested_by=SYSTEM,
        scope=scope,
        stage=ASKED_FOR,
        workflow_id=workflow,
        started_at=at,
    )
