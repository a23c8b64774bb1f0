"""What the product costs while nobody uses it and nothing happens in Stripe: all that runs by the clock."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel import update

from billing.stripe.events import BUSY_FOR, QUIET, CatchUpPage
from db.core.clock import utc_now
from db.tables import Operation, StripeEvent
from worker.schedules import SCHEDULES, TimedWorkflow
from worker.watch.event_care import CATCH_UP
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
    """What runs by the clock costs a month."""

    id: str
    runs: float
    each: Cost
    reads: int
    scheduled: int = SCHEDULED
    """Actions of what starts each run."""

    @property
    def of_one(self) -> int:
        return self.each.actions + self.scheduled

    @property
    def actions(self) -> float:
        return self.runs * self.of_one

    @property
    def stripe_reads(self) -> float:
        return self.runs * self.reads


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
                await _once(stage, timed.workflow)
            await _long_ago(stage)
        beside = await _beside(stage)
        routines = [await _catch_up(stage), *[await _routine(stage, timed) for timed in SCHEDULES]]
    return _report(routines, beside, stage)


async def _routine(stage: Stage, timed: TimedWorkflow) -> Routine:
    each, reads = await _once(stage, timed.workflow)
    return Routine(timed.id, MONTH / timed.every, each, reads)


async def _catch_up(stage: Stage) -> Routine:
    """A worker has Stripe asked for its events; which is due this often where nothing happens."""
    each, reads = await _once(stage, ids.EVENT_CATCH_UP, CatchUpPage(at=utc_now()))
    return Routine(CATCH_UP, MONTH / QUIET, each, reads, scheduled=0)


async def _long_ago(stage: Stage) -> None:
    """What has made the organizations: whatever happened lately has Stripe asked each minute."""
    then = utc_now() - 2 * BUSY_FOR
    async with stage.records.transaction() as session:
        await session.exec(update(StripeEvent).values(received_at=then))
        await session.exec(update(Operation).values(updated_at=then))


async def _once(stage: Stage, workflow: str, *asked: CatchUpPage) -> tuple[Cost, int]:
    """One run as by the clock, with everything that it starts, and its requests to Stripe."""
    since, seen = datetime.now(UTC), await last_request(stage)
    name = f"{workflow}-{since:%H%M%S%f}"
    async with asyncio.timeout(WITHIN):
        await stage.temporal.execute_workflow(workflow, args=asked, id=name, task_queue=ids.MAIN_QUEUE)
    costs = await settled(stage, stage.temporal, since)
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
            str(one.of_one),
            f"{one.actions:,.0f}",
            str(one.reads),
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
            f"start by a schedule is {SCHEDULED + 1} actions. A worker starts the catch-up of events when "
            f"it is due, each quarter of an hour. Beside them: {WINDOW:.0f} s in which none runs. What the "
            "comparison of everything reads in a week follows what there is in Stripe, and is left out."
        ],
        facts={
            "routines": {
                one.id: {
                    "runs": one.runs,
                    "actions": one.of_one,
                    "reads": one.reads,
                }
                for one in routines
            },
            "beside": beside,
        },
    )
