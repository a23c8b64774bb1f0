"""What tests of incidents need: watches with a clock of the test's, workflows that wait, and what is kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select
from temporalio.client import Client

from activities.incidents.mails import ControllersKnown
from activities.incidents.probes import Probe, Probes
from billing.core.delivery import Delivery
from billing.incidents.states import Component
from billing.policy.incidents import IncidentPolicy
from db.core.session import Database
from db.incidents.health_meter import HealthMeter, bucket_of
from db.tables import HealthCount, Hold, Incident, Operation, Outbox
from worker.watch.watch import Watch
from workflows.client import dispatch

from .builders import store

POLICY = IncidentPolicy(
    window_seconds=60,
    faults=5,
    fault_share=0.5,
    probe_every_seconds=10,
    probe_failures=3,
    healthy_seconds=60,
    alert_every=5,
)


class Answers:
    """What the probes say: nothing is wrong, until a test says otherwise."""

    def __init__(self) -> None:
        self.wrong: dict[Component, str] = {}

    def probes(self) -> Probes:
        def of(component: Component) -> Probe:
            async def answer() -> str | None:
                return self.wrong.get(component)

            return answer

        return Probes({component: of(component) for component in Component})


def a_watch(
    database: Database,
    temporal: Client,
    probes: Probes,
    *,
    clock: Any,
    meter: HealthMeter | None = None,
    known: ControllersKnown | None = None,
    policy: IncidentPolicy = POLICY,
) -> Watch:
    async def send(row: Outbox) -> Delivery:
        return await dispatch.send(
            temporal,
            action="start",
            workflow_id=row.workflow_id,
            name=row.name,
            update_id="",
            payload=row.payload,
            within=timedelta(seconds=10),
        )

    return Watch(
        database,
        temporal,
        meter or HealthMeter(),
        probes,
        known or ControllersKnown(),
        policy,
        send,
        clock,
    )


async def counted(
    database: Database,
    at: datetime,
    *,
    ok: int = 0,
    faults: int = 0,
    component: str = "stripe",
    code: str = "rate_limit",
) -> None:
    """Calls went so, in the bucket of that moment."""
    row = HealthCount(
        component=component,
        bucket=bucket_of(at),
        ok=ok,
        faults=faults,
        first_fault_at=at if faults else None,
        codes={code: faults} if faults else {},
    )
    await store(database, row)


async def incidents_of(database: Database, component: str) -> Sequence[Incident]:
    async with database.reading() as session:
        found = await session.exec(
            select(Incident).where(Incident.component == component).order_by(Incident.opened_at)
        )
        return found.all()


async def releases(database: Database) -> list[tuple[str, datetime | None]]:
    """Each hold with when it was released, the longest waiting first."""
    async with database.reading() as session:
        found = await session.exec(select(Hold).order_by(col(Hold.held_at), col(Hold.id)))
        return [(hold.id, hold.released_at) for hold in found]


def a_hold(operation: Operation, number: int, held_at: datetime) -> Hold:
    return Hold(
        id=f"hold_{number:02}",
        operation_id=operation.id,
        organization_id=operation.organization_id,
        workflow_id=operation.workflow_id,
        component="stripe",
        state="running",
        held_at=held_at + timedelta(milliseconds=number),
    )
