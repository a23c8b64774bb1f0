"""The records of an incident: looked at, kept, cleared; the gate before Stripe, and who may pass again."""

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.incidents.health import Bucket, HealthSample, is_failing, lookback, take_sample
from billing.incidents.messages import (
    AbandonedHolds,
    ClearIncident,
    HeldWorkflow,
    HoldsNext,
    IncidentKept,
    LetGo,
    LookAtComponent,
    NextHolds,
)
from billing.incidents.states import Component
from db.core.session import AWAY, Database
from db.incidents import health_counts, holds, incidents
from db.stripe import budget as stripe_budgets

from ..operations.hold_mails import tell_held
from .probes import Probes

RECORDS_WITHIN = 5.0
"""Seconds; a look does not wait for a database that is away."""

REQUESTS_PER_WORKFLOW = 4
"""Requests to Stripe that a workflow that goes on leads to at least, with those that follow its events."""

BUSY_FOR = 0.25
"""Where requests for so many seconds of Stripe's budget wait already, it has no room: a process lets no more
than some 0.6 seconds' worth wait (`worker.queues.stripe_places`)."""


AT_STRIPE = frozenset({Component.STRIPE, Component.STRIPE_KEY})
"""Whoever waited for these goes on with requests to Stripe."""

RELEASED_AGAIN = timedelta(minutes=2)
"""A workflow that was told to go on so long ago, and has not, is told again: its signal may have been lost
with the process that was to send it."""


class Incidents:
    """What an incident's workflow sees, and what it leaves in the records."""

    def __init__(
        self, database: Database, probes: Probes, requests_per_second: float, waiting: Callable[[], int]
    ) -> None:
        """The policy's pace of requests to Stripe; an operator's, in the records, comes before it.

        `waiting` counts the requests that wait for their turn in this process.
        """
        self._database = database
        self._probes = probes
        self._policy_rate = requests_per_second
        self._waiting = waiting

    @activity.defn
    async def probe_component(self, look: LookAtComponent) -> HealthSample:
        """Probes it, counts how calls went, and keeps that it was looked at: as far as the records answer."""
        kept = look.kept
        probe, buckets = await asyncio.gather(
            self._probes.probe(kept.component, doubted=True), self._counted(look)
        )
        return take_sample(kept.at, probe, buckets, look.since, look.policy)

    async def _counted(self, look: LookAtComponent) -> list[Bucket]:
        kept = look.kept
        try:
            async with asyncio.timeout(RECORDS_WITHIN), self._database.transaction() as session:
                await incidents.keep(session, kept)
                await tell_held(session, kept.component, kept.at)
                since = kept.at - lookback(look.policy)
                return await health_counts.since(session, kept.component.value, since)
        except AWAY:
            return []

    @activity.defn
    async def save_incident(self, kept: IncidentKept) -> None:
        """The state has changed: its row is as it now is, and with it the gate before Stripe."""
        async with self._database.transaction() as session:
            await incidents.keep(session, kept)
            if kept.component is Component.STRIPE:
                if kept.recovered_at is None:
                    await stripe_budgets.close_gate(session, kept.at)
                else:
                    await stripe_budgets.open_gate(session)

    @activity.defn
    async def clear_incident(self, order: ClearIncident) -> None:
        """A person has documented what was done."""
        resolve = order.resolve
        async with self._database.transaction() as session:
            await incidents.clear(
                session,
                resolve.incident,
                note=resolve.note,
                person=resolve.person,
                organization=resolve.organization,
                at=order.at,
            )

    @activity.defn
    async def read_next_holds(self, order: NextHolds) -> HoldsNext:
        """Who goes on next; nobody while another incident keeps the gate closed, or when it fails again."""
        async with self._database.reading() as session:
            if not order.trial:
                if await stripe_budgets.is_closed(session):
                    return HoldsNext()
                since = order.at - lookback(order.policy)
                buckets = await health_counts.since(session, order.component.value, since)
                sample = take_sample(order.at, None, buckets, order.since, order.policy)
                if is_failing(sample, order.policy):
                    return HoldsNext(failing=sample)
            most = order.limit
            if order.component in AT_STRIPE:
                most = min(most, await self._stripe_takes(session))
            again = order.at - RELEASED_AGAIN
            found = await holds.open_holds(session, order.component, most, again_before=again)
            under_way = not found and await holds.under_way(session, order.component)
        workflows = tuple(HeldWorkflow(hold=hold.id, workflow=hold.workflow_id) for hold in found)
        return HoldsNext(workflows=workflows, under_way=under_way)

    async def _stripe_takes(self, session: AsyncSession) -> int:
        """How many more workflows its budget takes within a second; never none.

        Those beyond would only wait for their turn, and while the worker gets them into its memory again it
        begins nothing that people ask for: Temporal's workers take up what runs before what is new.
        """
        budget = await stripe_budgets.read(session)
        rate = stripe_budgets.pace(self._policy_rate, budget.requests_per_second, budget.slowed_to)
        return 1 if self._waiting() >= rate * BUSY_FOR else math.ceil(rate / REQUESTS_PER_WORKFLOW)

    @activity.defn
    async def release_holds(self, order: LetGo) -> None:
        """These holds are over; their workflows are to be told, and told again if they do not go on."""
        async with self._database.transaction() as session:
            for held in order.workflows:
                if order.trial and order.component is Component.STRIPE:
                    await stripe_budgets.try_with(session, held.workflow)
                await holds.release_again(session, held.hold, order.at)

    @activity.defn
    async def close_holds(self, over: AbandonedHolds) -> None:
        """Nobody waits there any more."""
        async with self._database.transaction() as session:
            await holds.resumed(session, over.holds, over.at)
