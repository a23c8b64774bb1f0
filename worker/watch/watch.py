"""Watches the components: counts, probes, and opens an incident when one of them is degraded.

Every worker watches. What they have counted is shared, what they have probed is their own; of several that
find a component degraded at the same moment one opens the incident. From then on its workflow watches.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from time import monotonic

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from activities.incidents.mails import ControllersKnown
from activities.incidents.probes import Probes
from billing.core.delivery import Delivery
from billing.incidents.health import Bucket, HealthState, lookback, next_state, take_sample
from billing.incidents.messages import IncidentInput
from billing.incidents.states import Component
from billing.policy.incidents import IncidentPolicy
from db.core.clock import Clock, utc_now
from db.core.session import AWAY, Database
from db.delivery.delivery import deliver
from db.incidents import health_counts, incidents
from db.incidents.health_meter import HealthMeter
from db.operations import outbox
from db.stripe import budget
from db.tables import Incident, Outbox, new_id
from workflows.client import summaries
from workflows.core import ids

from .event_care import EventCare
from .incident_care import IncidentCare
from .lateness import Lateness
from .retention import Retention

log = logging.getLogger(__name__)

FLUSH_EVERY = 1.0
WITHIN = 5.0
"""Seconds; nothing here waits longer for a database that is away."""
LEARN_EVERY = 60.0
"""Seconds between two looks at who the controllers are; what is too old to count is forgotten then too."""
IN_TURN = (Component.STRIPE, Component.STRIPE_KEY, Component.MAIL, Component.DATABASE, Component.PORTAL)
"""The portal is looked at when it is known how what it stands on does."""
FOLLOWS_FROM = {"stripe_unavailable": Component.STRIPE, "records_away": Component.DATABASE}
"""Faults at the portal by their codes, and whose they are while that is away."""
CARE_EVERY = 30.0
"""Seconds between two looks at whether open incidents have a workflow that goes on."""
CARE_ANEW = timedelta(seconds=CARE_EVERY)
HEAD_START = timedelta(seconds=15)
"""The outbox's sweep leaves a start alone for so long: it is delivered from here."""


class Watch:
    """`run` is the process's loop; `look` is one round of it."""

    def __init__(
        self,
        database: Database,
        temporal: Client,
        meter: HealthMeter,
        probes: Probes,
        known: ControllersKnown,
        policy: IncidentPolicy,
        send: Callable[[Outbox], Awaitable[Delivery]],
        clock: Clock = utc_now,
        lateness: Lateness | None = None,
    ) -> None:
        self._database, self._temporal, self._meter = database, temporal, meter
        self._probes, self._known, self._policy = probes, known, policy
        self._send, self._clock = send, clock
        self._health: dict[Component, HealthState] = {}
        self._unwell_at: dict[Component, datetime] = {}
        """When it was last seen to be degraded, or not to answer."""
        self._portal_answered = False
        self._care = IncidentCare(database, temporal, policy)
        self._events = EventCare(database, temporal)
        self._retention = Retention(database, clock)
        self._lateness = lateness or Lateness(database, clock=clock)
        self._opened_at: datetime | None = None
        """When this process last began, or looked after, the database's incident that it still sees."""

    async def run(self) -> None:
        """Until it is cancelled; whatever fails is tried again."""
        next_look = next_learning = next_care = monotonic()
        while True:
            await self._trying(self.flush(), "could not store the call counts, will retry")
            if monotonic() >= next_learning:
                next_learning = monotonic() + LEARN_EVERY
                await self._trying(self.learn(), "could not read the list of controllers, will retry")
            if monotonic() >= next_look:
                next_look = monotonic() + self._policy.probe_every_seconds
                await self._trying(self.look(), "could not check the components, will retry", within=None)
            if monotonic() >= next_care:
                next_care = monotonic() + CARE_EVERY
                await self._trying(
                    self.tend(), "could not check open incidents and events, will retry", within=None
                )
            await asyncio.sleep(FLUSH_EVERY)

    async def flush(self) -> None:
        """Add what this process has counted to the records."""
        await self._meter.flush(self._database)

    async def learn(self) -> None:
        """Remember whom to tell when the records are away, and forget old counts."""
        await self._known.learn(self._database)
        async with self._database.transaction() as session:
            await health_counts.prune(session, self._clock())

    async def tend(self) -> None:
        """Every open incident has a workflow that goes on, and no event is missed; what is late is told, and
        what is old forgotten."""
        await self._lateness.look()
        await self._care.tend(self._clock())
        await self._events.catch_up(self._clock())
        await self._retention.look()

    async def look(self) -> None:
        """Probe everything, look at the counts, and open incidents of what is degraded.

        Raises what the records or Temporal raise while they are away: after the others were seen to.
        """
        at = self._clock()
        counts = await self._counts(at)
        found = await asyncio.gather(
            *(self._probes.probe(one, doubted=self._doubted(one, counts)) for one in IN_TURN)
        )
        answers = dict(zip(IN_TURN, found, strict=True))
        failed: list[BaseException] = []
        for component in IN_TURN:
            probe = self._worth(component, answers)
            buckets = [self._its_own(component, bucket) for bucket in counts.get(component, [])]
            try:
                await self._follow(component, probe, buckets, at)
            except (*AWAY, RPCError, RuntimeError) as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _doubted(self, component: Component, counts: Mapping[Component, list[Bucket]]) -> bool:
        """Whether a call to it has failed lately, of any process, or our last probe."""
        health = self._health.get(component)
        return bool(health and health.failures) or any(one.faults for one in counts.get(component, []))

    def _worth(self, component: Component, answers: Mapping[Component, str | None]) -> str | None:
        """The answer of a probe, unless it tells nothing: a worker that could never reach the public address
        (it is started first, or is behind a wall) does not know whether anybody else can, and without the
        records there is no slot of Stripe's budget to ask Stripe in."""
        answer = answers[component]
        if component is Component.STRIPE and answers[Component.DATABASE] is not None:
            return None
        if component is not Component.PORTAL:
            return answer
        if answer is None:
            self._portal_answered = True
        elif not self._portal_answered:
            log.info("the portal has not been reachable from this worker yet: %s", answer)
            return None
        return answer

    def _its_own(self, component: Component, bucket: Bucket) -> Bucket:
        """Without the faults that only follow from another component's being away, which has an incident of
        its own, or soon will."""
        if component is not Component.PORTAL:
            return bucket
        return bucket.without(
            {
                code
                for code, other in FOLLOWS_FROM.items()
                if other in self._unwell_at and bucket.at <= self._unwell_at[other]
            }
        )

    async def _follow(
        self, component: Component, probe: str | None, buckets: list[Bucket], at: datetime
    ) -> None:
        health = self._health.get(component) or HealthState(degraded=False, since=at)
        sample = take_sample(at, probe, buckets, health.since, self._policy)
        now = self._health[component] = next_state(health, sample, self._policy)
        if now.degraded or now.failures:
            self._unwell_at[component] = at
        if not now.degraded:
            if component is Component.DATABASE:
                self._opened_at = None
            return
        found = IncidentInput(
            incident=new_id("inc"),
            component=component,
            opened_at=at,
            first_fault_at=now.first_fault_at or at,
            cause=sample.cause,
            policy=self._policy,
        )
        if component is Component.DATABASE:
            await self._begin_without_records(found)
        else:
            await self._begin(found, now)

    async def _begin(self, found: IncidentInput, health: HealthState) -> None:
        """A row, the start of its workflow and the gate before Stripe together; or nothing if it is open."""
        row = Incident(
            id=found.incident,
            **found.model_dump(include={"component", "opened_at", "first_fault_at", "cause"}),
        )
        async with asyncio.timeout(WITHIN), self._database.transaction() as session:
            cleared_at = await incidents.last_cleared(session, row.component)
            if cleared_at is not None and cleared_at >= health.since:
                # What we still see was documented meanwhile: it has to be found anew.
                self._health[found.component] = HealthState(degraded=False, since=found.opened_at)
                return
            if not await incidents.begin(session, row):
                return
            if found.component is Component.STRIPE:
                await budget.close_gate(session, found.opened_at)
            start = await outbox.enqueue(
                session,
                action=outbox.START,
                workflow_id=ids.incident_workflow(found.incident, found.component),
                name=ids.INCIDENT,
                payload=found.model_dump(mode="json"),
                at=found.opened_at,
                due_at=found.opened_at + HEAD_START,
            )
        log.warning("%s is degraded (%s): incident %s", found.component, found.cause, found.incident)
        await deliver(self._database, self._send, start, found.opened_at)

    async def _begin_without_records(self, found: IncidentInput) -> None:
        """The workflow writes the row when it can; by its id, of several workers one starts it.

        While it is still seen, one that was broken off is started again.
        """
        again = self._opened_at is not None
        if self._opened_at is not None and found.opened_at - self._opened_at < CARE_ANEW:
            return
        if await self._care.revive(found.component) or again:
            self._opened_at = found.opened_at
            return
        await self._temporal.start_workflow(
            ids.INCIDENT,
            found,
            id=ids.incident_workflow(found.incident, found.component),
            task_queue=ids.MAIN_QUEUE,
            static_summary=summaries.of_start(ids.INCIDENT, None),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            rpc_timeout=timedelta(seconds=WITHIN),
        )
        self._opened_at = found.opened_at
        log.warning("the database is unavailable (%s): incident %s", found.cause, found.incident)

    async def _counts(self, at: datetime) -> dict[Component, list[Bucket]]:
        """How calls went, by component; nothing while the records are away. Notes what has an incident."""
        since = at - lookback(self._policy)
        try:
            async with asyncio.timeout(WITHIN), self._database.reading() as session:
                for one in await incidents.open_ones(session):
                    if one.recovered_at is None:
                        self._unwell_at[Component(one.component)] = at
                return {one: await health_counts.since(session, one.value, since) for one in IN_TURN}
        except AWAY:
            return {}

    async def _trying(self, step: Awaitable[None], failing: str, within: float | None = WITHIN) -> None:
        try:
            async with asyncio.timeout(within):
                await step
        except (*AWAY, RPCError, RuntimeError) as error:
            log.warning("%s: %s", failing, type(error).__name__)
