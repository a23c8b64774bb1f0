"""An incident: alert, watch, let what was held go on, and wait for the note of what was done."""

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.incidents.incidents import Incidents
    from billing.core.operations import Problem
    from billing.incidents.health import HealthSample, HealthState, is_failing, next_state
    from billing.incidents.messages import (
        ClearIncident,
        IncidentInput,
        IncidentKept,
        IncidentNow,
        LookAtComponent,
        ResolveIncident,
    )

from ..core import anew, ids, options
from ..core.outcome import refused
from ..core.recorded import recorded
from ..core.waiting import pause
from .notify import IncidentNotifier
from .release import Release


@workflow.defn(name=ids.INCIDENT)
class IncidentWorkflow:
    """Open until the component works again and a person has said what was done."""

    @workflow.init
    def __init__(self, request: IncidentInput) -> None:
        self._request = request
        self._now = request.now or IncidentNow(
            health=HealthState(degraded=True, since=request.opened_at), cause=request.cause
        )
        self._is_cleared = self._now.cleared
        self._turning = False
        """Whether the row may already say that it has recovered, while this does not know yet."""
        self._resolving = self._is_cleared
        self._cleared: ResolveIncident | None = None
        self._telling = IncidentNotifier(request, self._now)
        self._release = Release(request, self._now.pace)

    @workflow.run
    async def run(self, request: IncidentInput) -> None:
        while not self._is_cleared:
            if self._degraded:
                await self._until_it_is_well()
                if not await self._first_workflow_gets_through():
                    continue
                await self._recovered()
            await self._until_cleared_or_degraded()
            if self._cleared is not None:
                self._is_cleared = True
                self._telling.cleared(self._kept(self._now), self._cleared)
        await self._release.rest(self._now.health.since, self._in_a_new_history)
        await self._telling.done()
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.update
    async def resolve(self, resolve: ResolveIncident) -> None:
        """A person's note of what was done. Refused while the component is still degraded."""
        await workflow.wait_condition(lambda: not self._turning)
        if resolve.incident != self._request.incident or self._resolving:
            message = "This incident was cleared before."
            raise refused(Problem(code="already_cleared", message=message))
        if self._degraded:
            message = "The component is still degraded: write the note when it works again."
            raise refused(Problem(code="still_degraded", message=message))
        self._resolving = True
        order = ClearIncident(resolve=resolve, at=workflow.now())
        await recorded(Incidents.clear_incident, order)
        self._cleared = resolve

    # --- The steps ------------------------------------------------------------------------------------

    async def _until_it_is_well(self) -> None:
        """Looks every few seconds; the controllers are told at once and then now and again."""
        while True:
            self._telling.alert_if_due(self._kept(self._now))
            sample = await self._look()
            health = next_state(self._now.health, sample, self._request.policy)
            if not health.degraded:
                return  # as soon as a first workflow has got through
            cause = sample.cause or self._now.cause
            self._now = self._now.model_copy(update={"health": health, "cause": cause})
            await self._pause(self._every)
            self._in_a_new_history()

    async def _first_workflow_gets_through(self) -> bool:
        """Where workflows wait, one of them tries, while the others are still held."""
        began = workflow.now()
        if not await self._release.first():
            return True  # nobody waits
        for _ in range(options.TRIAL_LOOKS):
            await self._pause(self._every)
            sample = await self._look(since=began)
            if is_failing(sample, self._request.policy):
                await self._degrade(sample)
                return False
        return True

    async def _recovered(self) -> None:
        """It works again: everything may be sent, Finance is told, the rest of what was held goes on."""
        at = workflow.now()
        self._telling.works_again()
        recovered = self._now.model_copy(
            update={
                "health": HealthState(degraded=False, since=at),
                "recovered_at": at,
                "recoveries": self._now.recoveries + 1,
            }
        )
        self._turning = True
        await self._keep(recovered)
        self._now, self._turning = recovered, False
        self._telling.recovered(self._kept(recovered), recovered.recoveries)
        self._release.begin()

    async def _until_cleared_or_degraded(self) -> None:
        """What was held goes on, ever faster while nothing fails; the note is asked for now and again."""
        while self._cleared is None:
            since = self._now.health.since
            await self._release.some(self._every, since, lambda: self._cleared is not None)
            sample = self._release.failing or await self._look()
            health = next_state(self._now.health, sample, self._request.policy)
            if (health.degraded or self._release.failing) and not self._resolving:
                await self._degrade(sample)
                return
            if not health.degraded:
                self._now = self._now.model_copy(update={"health": health})
            self._telling.alert_if_due(self._kept(self._now))
            self._in_a_new_history()

    async def _degrade(self, sample: HealthSample) -> None:
        """What was well is not: the rest stays held, and it has to be well for as long again."""
        self._release.stop()
        self._now = self._now.model_copy(
            update={
                "health": HealthState(degraded=True, since=workflow.now()),
                "cause": sample.cause or self._now.cause,
                "recovered_at": None,
            }
        )
        await self._keep(self._now)
        self._telling.alert_soon()

    # --- What they are made of ------------------------------------------------------------------------

    @property
    def _degraded(self) -> bool:
        return self._now.health.degraded

    @property
    def _every(self) -> timedelta:
        return timedelta(seconds=self._request.policy.probe_every_seconds)

    async def _look(self, since: datetime | None = None) -> HealthSample:
        look = LookAtComponent(
            kept=self._kept(self._now), since=since or self._now.health.since, policy=self._request.policy
        )
        return await workflow.execute_activity_method(Incidents.probe_component, look, **options.PROBE)

    async def _keep(self, now: IncidentNow) -> None:
        kept = self._kept(now)
        await recorded(Incidents.save_incident, kept)

    def _kept(self, now: IncidentNow) -> IncidentKept:
        request = self._request
        return IncidentKept(
            incident=request.incident,
            component=request.component,
            opened_at=request.opened_at,
            first_fault_at=request.first_fault_at,
            cause=now.cause,
            alerted_at=self._telling.alerted_at,
            recovered_at=now.recovered_at,
            alerts=self._telling.alerts,
            recoveries=now.recoveries,
            at=workflow.now(),
        )

    async def _pause(self, period: timedelta) -> None:
        await pause("Waits to look at the component again.", period)

    def _in_a_new_history(self) -> None:
        """Goes on there when this one has grown long, unless something is just on its way."""
        clearing = self._cleared is not None and not self._is_cleared
        if anew.is_time_early() and self._telling.idle and workflow.all_handlers_finished() and not clearing:
            more = {"pace": self._release.pace, "cleared": self._is_cleared}
            now = self._now.model_copy(update=self._telling.state() | more)
            anew.go_on(self._request.model_copy(update={"now": now}))
