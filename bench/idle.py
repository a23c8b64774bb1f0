"""What the product costs while nobody uses it and nothing happens in Stripe: all that runs by the clock."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel import update

from billing.stripe.events import BUSY_FOR, QUIET
from db.core.clock import utc_now
from db.tables import Operation, StripeEvent, StripeEventCheck
from worker.schedules import SCHEDULES, TimedWorkflow
from workflows.core import ids

from .anatomy import last_request, settled
from .options import Options
from .reports import Report, Target
from .shapes.histories import Cost, begun_since
from .stage.organizations import provision
from .stage.stage import Stage, on_stage

MONTH = timedelta(days=30)
ORGANIZATIONS = 5
SCHEDULED = 2
"""Actions of a schedule beside the start that it makes (Temporal Cloud, "Actions")."""
WARM_UP = 2
"""Runs of each that have more to do than later ones: they find what has made the organizations."""
WITHIN = 60.0
"""Seconds for one run."""
WINDOW = 60.0


@dataclass(frozen=True)
class Routine:
    """What one schedule costs a month; `each` is its usual run, of which `seldom` are dearer."""

    id: str
    runs: float
    each: Cost
    reads: int
    dear: float
    dear_cost: Cost
    dear_reads: int

    @property
    def actions(self) -> float:
        usual = (self.runs - self.dear) * self.each.actions
        return usual + self.dear * self.dear_cost.actions + self.runs * SCHEDULED

    @property
    def stripe_reads(self) -> float:
        return (self.runs - self.dear) * self.reads + self.dear * self.dear_reads


def run(options: Options) -> Report:
    """Each schedule's runs are counted one by one, and added up over a month."""

    async def work(stage: Stage) -> Report:
        return await _measure(stage)

    return on_stage(work, options)


async def _measure(stage: Stage) -> Report:
    await stage.control("webhooks", {"mode": "drop"})
    await provision(stage, ORGANIZATIONS)
    async with stage.product():
        for timed in SCHEDULES:
            await stage.temporal.get_schedule_handle(timed.id).pause()
        for _ in range(WARM_UP):
            for timed in SCHEDULES:
                await _once(stage, timed)
            await _long_ago(stage)
        beside = await _beside(stage)
        routines = [await _routine(stage, timed) for timed in SCHEDULES]
    return _report(routines, beside, stage)


async def _routine(stage: Stage, timed: TimedWorkflow) -> Routine:
    runs = MONTH / timed.every
    each, reads = await _once(stage, timed)
    dear, dear_cost, dear_reads = 0.0, each, reads
    if timed.workflow == ids.EVENT_CATCH_UP:
        dear = MONTH / QUIET
        dear_cost, dear_reads = await _when_due(stage, timed)
    return Routine(timed.id, runs, each, reads, dear, dear_cost, dear_reads)


async def _long_ago(stage: Stage) -> None:
    """What has made the organizations: whatever happened lately has Stripe asked each minute."""
    then = utc_now() - 2 * BUSY_FOR
    async with stage.records.transaction() as session:
        await session.exec(update(StripeEvent).values(received_at=then))
        await session.exec(update(Operation).values(updated_at=then))


async def _when_due(stage: Stage, timed: TimedWorkflow) -> tuple[Cost, int]:
    """A run that asks Stripe for its events: it was last asked long ago."""
    async with stage.records.transaction() as session:
        await session.exec(update(StripeEventCheck).values(checked_at=utc_now() - QUIET))
    return await _once(stage, timed)


async def _once(stage: Stage, timed: TimedWorkflow) -> tuple[Cost, int]:
    """One run as its schedule starts it, with everything that it starts, and its requests to Stripe."""
    since, seen = datetime.now(UTC), await last_request(stage)
    name = f"{timed.id}-{since:%H%M%S%f}"
    async with asyncio.timeout(WITHIN):
        await stage.temporal.execute_workflow(timed.workflow, id=name, task_queue=ids.MAIN_QUEUE)
    costs = await settled(stage.temporal, since)
    return Cost.together(costs.values()), await last_request(stage) - seen


async def _beside(stage: Stage) -> tuple[float, float]:
    """Actions and Stripe reads of a month that no schedule has begun, from a window without any."""
    since, seen = datetime.now(UTC), await last_request(stage)
    await asyncio.sleep(WINDOW)
    cost = Cost.together((await begun_since(stage.temporal, since)).values())
    months = MONTH.total_seconds() / WINDOW
    return cost.actions * months, (await last_request(stage) - seen) * months


def _report(routines: Sequence[Routine], beside: tuple[float, float], stage: Stage) -> Report:
    rows = [
        (
            one.id,
            f"{one.runs:,.0f}",
            _with_dear(one.each.actions + SCHEDULED, one.dear_cost.actions + SCHEDULED, one),
            f"{one.actions:,.0f}",
            _with_dear(one.reads, one.dear_reads, one),
            f"{one.stripe_reads:,.0f}",
        )
        for one in routines
    ]
    actions = sum(one.actions for one in routines) + beside[0]
    reads = sum(one.stripe_reads for one in routines) + beside[1]
    return Report(
        name="idle",
        title=f"a month without anything to do, {ORGANIZATIONS} organizations (records on {stage.database})",
        columns=("", "runs", "actions of one", "actions", "reads of one", "Stripe reads"),
        rows=[
            *rows,
            ("beside them", "", "", f"{beside[0]:,.0f}", "", f"{beside[1]:,.0f}"),
            ("together", "", "", f"{actions:,.0f}", "", f"{reads:,.0f}"),
        ],
        targets=[
            Target(what="Temporal actions a month", measured=actions, sense="≤", wanted=100_000),
            Target(what="Stripe reads a month", measured=reads, sense="≤", wanted=10_000),
        ],
        notes=[
            f"One run of each schedule is counted after {WARM_UP} others, and added up over thirty days; a "
            f"start by a schedule is {SCHEDULED + 1} actions. The catch-up of events also when it is due, "
            f"each quarter of an hour. Beside them: from {WINDOW:.0f} s in which no schedule runs. What the "
            "comparison of everything reads in a week follows what there is in Stripe, and is left out."
        ],
        facts={
            "routines": {
                one.id: {
                    "runs": one.runs,
                    "actions": one.each.actions,
                    "reads": one.reads,
                    "dear_runs": one.dear,
                    "dear_actions": one.dear_cost.actions,
                    "dear_reads": one.dear_reads,
                }
                for one in routines
            },
            "beside": beside,
        },
    )


def _with_dear(usual: int, dear: int, routine: Routine) -> str:
    return f"{usual}, {dear} when due" if routine.dear else str(usual)
