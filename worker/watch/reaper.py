"""Finds workflows that are over before their operation's end, and workflows that can't go on.

What happens is found by what happens: one look at what Temporal has closed abnormally since the last look,
and one at what it reports as failing. Beside them a slow walk over the open rows, for whatever those miss:
a worker that was down for long, a Temporal that has lost something. Every worker looks.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from time import monotonic

from sqlmodel import col, select
from temporalio.client import Client, WorkflowExecution
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from activities.incidents.alerts import AlertCode, AlertMessage
from billing.core.events import EventCode
from billing.core.operations import SYSTEM
from db.core import timeline
from db.core.clock import Clock, utc_now
from db.core.session import AWAY, Database
from db.operations import outbox
from db.tables import Operation
from workflows.client.running import OVER, STARTED_WITHIN
from workflows.core import ids

from .restarts import Over, Restarts

log = logging.getLogger(__name__)

LOOK_EVERY = 10.0
OVERLAP = timedelta(minutes=2)
"""Temporal's list of what has closed may be that late."""
FIRST_LOOK = timedelta(days=1)
"""How far the first look of a worker goes back."""
AT_A_TIME = 5
"""Rows of the walk that are looked up at each look."""
WALK_EVERY = 600.0
"""Seconds between the beginnings of two walks."""
LEAST_AGE = timedelta(minutes=1)
STUCK_AFTER = 5
"""Attempts at one workflow task."""
WITHIN = timedelta(seconds=10)

ABNORMAL = "ExecutionStatus IN ('Terminated', 'Canceled', 'Failed', 'TimedOut')"
FAILING = "TemporalReportedProblems IN ('category=WorkflowTaskFailed')"
"""What times out is a worker's slowness, or its absence."""
UNREACHABLE = (*AWAY, RPCError, RuntimeError, TimeoutError, ConnectionError)
RESTARTED_ELSEWHERE = (ids.INCIDENT,)
"""Workflow types that the watch restarts, from their own rows."""

Alert = Callable[[AlertMessage], Awaitable[None]]


async def no_alert(alert: AlertMessage) -> None:
    """For who has no webhook."""


class Reaper:
    """`run` is the process's loop; `look` is one round of it."""

    def __init__(
        self,
        database: Database,
        temporal: Client,
        clock: Clock = utc_now,
        alert: Alert = no_alert,
        runtime: Runtime | None = None,
    ) -> None:
        self._database, self._temporal, self._clock, self._alert = database, temporal, clock, alert
        self._restarts = Restarts(database, temporal)
        self._since: datetime | None = None
        self._done: dict[str, datetime] = {}
        """Runs that were seen to, and when they were closed."""
        self._later: set[str] = set()
        self._stuck: dict[str, str] = {}
        self._walk: tuple[float, str | None] = (0.0, None)
        meter = (runtime or Runtime.default()).metric_meter
        self._gauge = meter.create_gauge("plixo_stuck_workflows", "Workflows whose every task fails")

    async def run(self) -> None:
        """Until it is cancelled; whatever fails is tried again."""
        while True:
            try:
                await self.look()
            except UNREACHABLE as error:
                log.warning("could not check for ended workflows: %s", type(error).__name__)
            except Exception:
                log.exception("could not check for ended workflows")
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """What was closed since the last look, what fails at each step, and a few rows of the walk."""
        await self._look_at_closed()
        await self._look_at_failing()
        await self._walk_on()

    # --- What has closed ------------------------------------------------------------------------------

    async def _look_at_closed(self) -> None:
        began = utc_now()  # Temporal's times are no test's
        since = self._since or began - FIRST_LOOK
        closed = f"CloseTime > '{(since - OVERLAP).isoformat()}' AND {ABNORMAL}"
        found = {
            one.id: one
            async for one in self._temporal.list_workflows(closed, rpc_timeout=WITHIN)
            if one.run_id not in self._done and one.workflow_type not in RESTARTED_ELSEWHERE
        }
        for workflow in {*found, *self._later}:
            await self._see_to(workflow)
        for one in found.values():
            self._done[one.run_id] = one.close_time or began
        self._done = {run: at for run, at in self._done.items() if at > since - 2 * OVERLAP}
        self._since = began

    async def _see_to(self, workflow: str) -> None:
        """One that can't be seen to now is looked at again; it does not keep others waiting."""
        self._later.discard(workflow)
        try:
            over = await self._over(workflow)
            if over is not None and await self._restarts.see_to(over, self._clock()) == "later":
                self._later.add(workflow)
        except UNREACHABLE:
            self._later.add(workflow)
            raise
        except Exception:
            self._later.add(workflow)
            log.exception("could not handle ended workflow %s", workflow)

    async def _over(self, workflow: str) -> Over | None:
        """Its latest run, if that is over: one that was reset, or has been started again, goes on."""
        try:
            found = await self._temporal.get_workflow_handle(workflow).describe(rpc_timeout=WITHIN)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return Over(workflow, None, None)
        if found.status not in OVER:
            return None
        return Over(workflow, found.run_id, found.status)

    # --- What fails at each step ----------------------------------------------------------------------

    async def _look_at_failing(self) -> None:
        """A fault of the product: nothing of it is given up, but its operators have to know at once."""
        query = f"{FAILING} AND ExecutionStatus = 'Running'"
        failing = {one.id: one async for one in self._temporal.list_workflows(query, rpc_timeout=WITHIN)}
        for workflow, one in failing.items():
            if self._stuck.get(workflow) != one.run_id:
                await self._tell_stuck(one)
        for workflow in set(self._stuck) - set(failing):
            log.warning("%s is running normally again", workflow)
        self._stuck = {workflow: one.run_id for workflow, one in failing.items()}
        self._gauge.set(len(failing))

    async def _tell_stuck(self, one: WorkflowExecution) -> None:
        text = (
            f"{one.workflow_type} {one.id} is stuck: every workflow task fails. It continues "
            "once the fault is fixed: see `python -m worker.operations list-stuck` and the worker's log."
        )
        log.error("%s", text)
        await self._alert(AlertMessage(AlertCode.WORKFLOW_STUCK, one.id, f"Plixo: {text}"))
        kind, _, id_ = one.id.partition("-")
        if kind != "operation":
            return
        async with self._database.transaction() as session:
            operation = await session.get(Operation, id_)
            if operation is None or operation.closed_at is not None:
                return  # what its people waited for has come: only operators need to know
            await timeline.append(
                session,
                id_,
                key=f"stuck:{one.run_id}",
                event=EventCode.WORKFLOW_STUCK,
                actor=SYSTEM,
                at=self._clock(),
                detail={"workflow": one.id, "run": one.run_id},
            )

    # --- The walk over open rows ----------------------------------------------------------------------

    async def _walk_on(self) -> None:
        began, after = self._walk
        if after is None:
            if monotonic() < began + WALK_EVERY and began:
                return
            began, after = monotonic(), ""
        rows = [row async for row in self._open_rows(after)]
        for id_, workflow, created_at in rows:
            over = await self._over(workflow)
            if over is not None and (over.run or await self._was_forgotten(workflow, created_at)):
                await self._see_to(workflow)
            after = id_
        self._walk = began, after if len(rows) == AT_A_TIME else None

    async def _open_rows(self, after: str) -> AsyncIterator[tuple[str, str, datetime]]:
        """Operations in order of their ids."""
        before = self._clock() - LEAST_AGE
        async with self._database.reading() as session:
            going = await session.exec(
                select(Operation.id, Operation.workflow_id, Operation.created_at)
                .where(
                    col(Operation.id) > after,
                    col(Operation.closed_at).is_(None),
                    Operation.created_at < before,
                )
                .order_by(col(Operation.id))
                .limit(AT_A_TIME)
            )
            found = list(going)
        for id_, workflow, created_at in found:
            yield id_, workflow, created_at

    async def _was_forgotten(self, workflow: str, created_at: datetime) -> bool:
        """Whether what Temporal does not know will never be started: refused, or too long ago."""
        async with self._database.reading() as session:
            start = await outbox.start_of(session, workflow)
        if start is not None and start.state == outbox.PENDING:
            return False
        # Temporal has taken it, and has it no more; or has refused it.
        return start is not None or self._clock() - created_at > STARTED_WITHIN
