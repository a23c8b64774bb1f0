"""Sees to it that every open incident has a workflow that goes on: nobody else would open Stripe's gate.

Somebody may terminate or cancel it in Temporal's UI, and a workflow whose every task fails never ends. The
incident's row has what a new one needs, and no money is in it: it is started again.
"""

import logging
from datetime import datetime, timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from billing.incidents.health import HealthState
from billing.incidents.messages import IncidentInput, IncidentNow
from billing.incidents.states import Component
from billing.policy.incidents import IncidentPolicy
from db.core.session import Database
from db.incidents import gate, incidents
from db.stripe import budget
from db.tables import Incident
from workflows.client import summaries
from workflows.core import ids

from .broken_off import WITHIN, described, is_broken_off

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)
"""What is younger may still be about to be started, or to open the gate."""


class IncidentCare:
    def __init__(self, database: Database, temporal: Client, policy: IncidentPolicy) -> None:
        self._database, self._temporal, self._policy = database, temporal, policy

    async def tend(self, at: datetime) -> None:
        """Every open incident, each by itself; then a gate that nobody would open.

        Raises what the records raise while they are away.
        """
        async with self._database.reading() as session:
            found = await incidents.open_ones(session)
        for one in found:
            if at - one.opened_at < GRACE:
                continue
            try:
                await self._tend(one, at)
            except RPCError as error:
                log.warning("can't check the workflow of incident %s: %s", one.id, error.status.name)
        await self._open_a_gate_that_nobody_would(at)

    async def revive(self, component: Component) -> bool:
        """For an incident that may have no row to be read: its last workflow is started again as it began.

        False when there is none that broke off.
        """
        handle = self._temporal.get_workflow_handle(ids.incident_workflow("", component))
        found = await described(handle)
        if found is None or found.status == WorkflowExecutionStatus.COMPLETED:
            return False
        if not await is_broken_off(self._temporal, found):
            return True
        broken = self._temporal.get_workflow_handle(handle.id, run_id=found.run_id)
        async for event in broken.fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            [began] = await self._temporal.data_converter.decode(payloads, [IncidentInput])
            await self._start(handle.id, began)
            break
        return True

    async def _tend(self, row: Incident, at: datetime) -> None:
        handle = self._temporal.get_workflow_handle(ids.incident_workflow(row.id, Component(row.component)))
        found = await described(handle)
        if found is not None and not await is_broken_off(self._temporal, found):
            return
        async with self._database.reading() as session:
            now = await incidents.get(session, row.id)
        if now is not None and now.cleared_at is None:
            # It had not ended by being cleared just now.
            await self._start(handle.id, _as_kept(now, self._policy, at))

    async def _start(self, workflow_id: str, began: IncidentInput) -> None:
        await self._temporal.start_workflow(
            ids.INCIDENT,
            began,
            id=workflow_id,
            task_queue=ids.MAIN_QUEUE,
            static_summary=summaries.of_start(ids.INCIDENT, None),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            rpc_timeout=WITHIN,
        )
        log.error("the workflow of incident %s had stopped: restarted", began.incident)

    async def _open_a_gate_that_nobody_would(self, at: datetime) -> None:
        async with self._database.transaction() as session:
            if not await gate.shut_without_cause(session, at - GRACE):
                return
            await budget.open_gate(session)
        log.error("requests to Stripe were blocked without an open incident: unblocked")


def _as_kept(row: Incident, policy: IncidentPolicy, at: datetime) -> IncidentInput:
    """Where the row says that the incident was: degraded, it has to be well for as long as any; recovered,
    what is held goes on. Who was alerted a moment ago is not alerted for the restart."""
    degraded = row.recovered_at is None
    return IncidentInput(
        incident=row.id,
        component=Component(row.component),
        opened_at=row.opened_at,
        first_fault_at=row.first_fault_at or row.opened_at,
        cause=row.cause,
        policy=policy,
        now=IncidentNow(
            health=HealthState(degraded=degraded, since=row.recovered_at or at),
            cause=row.cause,
            alerted_at=row.alerted_at,
            recovered_at=row.recovered_at,
            alert_due_at=at + timedelta(minutes=policy.alert_every) if row.alerts else None,
            alerts=row.alerts,
            recoveries=row.recoveries,
            pace=0 if degraded else 1,
        ),
    )
