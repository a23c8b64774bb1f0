"""What a plan change costs where two workers and two APIs share the work, against one of each.

Records are on PostgreSQL. Every round has both in turn, so that drift meets both.
"""

import asyncio
import statistics
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from sqlmodel import col, select

from db.core.clock import utc_now
from db.operations import outbox
from db.stripe import events as stripe_events
from db.tables import Outbox

from .options import Options
from .reports import Report, Target, figure, milliseconds, ratios
from .stage.contenders import Product
from .stage.driving import Driver, driving
from .stage.organizations import Organization, provision
from .stage.stage import Stage, on_stage

AT_ONCE = 50
PLACES = 100
WARM_UP = 40
SECOND = "second "
NOT_OURS = frozenset({"stripe", "driver"})
"""Stripe's work, and that of those who ask."""
QUIET_WITHIN = 60.0
"""Seconds, for the mails of the last changes."""
LOOK_EVERY = 0.2


@dataclass
class Measured:
    """Round by round."""

    per_second: list[float] = field(default_factory=list)
    cpu: list[Counter[str]] = field(default_factory=list)
    """Seconds for one change, by what a process is; two of the same are one figure."""

    def cpu_seconds(self) -> list[float]:
        return [used.total() for used in self.cpu]

    def process(self, name: str) -> float:
        return statistics.median(used[name] for used in self.cpu)


def run(options: Options) -> Report:
    async def work(stage: Stage) -> Report:
        return _report(*await _measure(stage, options), options)

    return on_stage(work, options.model_copy(update={"postgres": True}))


async def _measure(stage: Stage, options: Options) -> tuple[Measured, Measured]:
    await stage.control("webhooks", {"mode": "drop"})
    organizations = await provision(stage, PLACES)
    later = utc_now() + timedelta(days=1)
    async with stage.records.transaction() as session:  # or the worker would ask Stripe for what is dropped
        await stripe_events.checked(session, complete_until=later, at=later, missed=0)
    one, two = Measured(), Measured()
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(driving(stage.temporal))
        await stack.enter_async_context(stage.product())
        for number in range(options.rounds):
            await _burst(stage, driver, organizations, [stage.api], options.burst, one, f"one-{number}")
            async with stage.second_product() as second:
                apis = [stage.api, second]
                await _burst(stage, driver, organizations, apis, options.burst, two, f"two-{number}")
    return one, two


async def _burst(
    stage: Stage,
    driver: Driver,
    organizations: list[Organization],
    apis: list[str],
    changes: int,
    measured: Measured,
    name: str,
) -> None:
    """So many changes, shared by the APIs; who is new is warm before anything is counted."""
    each = len(apis)
    async with AsyncExitStack() as stack:
        products = [
            Product(
                await stack.enter_async_context(stage.client(api)),
                stage.records,
                organizations[number::each],
                name=f"{name}-{number}",
            )
            for number, api in enumerate(apis)
        ]

        async def all_of(changes: int) -> float:
            shares = (driver.burst(product, changes // each, AT_ONCE // each) for product in products)
            done = sum(await asyncio.gather(*shares))
            await _quiet(stage)
            return done

        await all_of(WARM_UP * each)
        before = stage.cpu_seconds()
        measured.per_second.append(await all_of(changes))
        used = stage.cpu_seconds()
    cpu: Counter[str] = Counter()
    for process in used.keys() - NOT_OURS:
        share = (used[process] - before[process]) / (changes // each * each)
        cpu[process.removeprefix(SECOND)] += share  # type: ignore[assignment]
    measured.cpu.append(cpu)


async def _quiet(stage: Stage) -> None:
    """Until nothing is left to be sent: what follows the last change is counted with it."""

    async def is_quiet() -> bool:
        async with stage.records.reading() as session:
            waits = select(Outbox.id).where(col(Outbox.state) == outbox.PENDING).limit(1)
            return (await session.exec(waits)).first() is None

    async with asyncio.timeout(QUIET_WITHIN):
        while not await is_quiet():  # noqa: ASYNC110 - other processes make it so
            await asyncio.sleep(LOOK_EVERY)


def _report(one: Measured, two: Measured, options: Options) -> Report:
    both = (one, two)
    processes = sorted(
        {name for used in (*one.cpu, *two.cpu) for name in used}, key=one.process, reverse=True
    )
    return Report(
        name="scale",
        title="plan changes by two workers and two APIs against one of each (records on PostgreSQL)",
        columns=("", "one of each", "two of each"),
        rows=[
            (
                "CPU time for one change, all processes",
                *(milliseconds(statistics.median(m.cpu_seconds())) for m in both),
            ),
            *((f"of it {name}", *(milliseconds(m.process(name)) for m in both)) for name in processes),
            (
                f"{AT_ONCE} at a time, a second",
                *(figure(statistics.median(m.per_second)) for m in both),
            ),
        ],
        targets=[
            Target(
                what="CPU time for one change of two of each, × one of each",
                measured=ratios(two.cpu_seconds(), one.cpu_seconds()),
                sense="≤",
                wanted=1.05,
                unit="×",
            )
        ],
        notes=[
            f"{options.rounds} rounds of {options.burst} changes by each in turn, {AT_ONCE} at a time, until "
            f"their last mail is sent, after {WARM_UP} for each API that are not counted. The ratio is the "
            "median of the rounds'.",
            "The stand-in's CPU time and the driver's are left out. Throughput is that of all processes "
            "together on one machine, the driver included.",
        ],
        facts={
            "per_second": {"one": one.per_second, "two": two.per_second},
            "cpu_seconds": {"one": one.cpu, "two": two.cpu},
        },
    )
