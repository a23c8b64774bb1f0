"""A complete plan change, approval included, against two baselines on the same server in the same run."""

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from .anatomy import Anatomy, dissect, last_request, settled, stripe_calls
from .options import Options
from .reports import Report, Target, figure, milliseconds, percentile, ratios
from .shapes import Cost
from .stage.contenders import Baseline, Contender, Product
from .stage.driving import PAUSE, Driver, Timing, driving
from .stage.organizations import provision, subscribe
from .stage.stage import Stage, on_stage

AT_ONCE = 50
PLACES = 100
"""Organizations, each with one open change at a time."""
DISSECTED = 8
WARM_UP = 30


class BaselineDiffers(Exception):
    """A baseline does not do what the product does; a comparison would say nothing."""


@dataclass
class Measured:
    """One contender's figures, round by round."""

    contender: Contender
    cost: Cost
    stripe: Counter[str]
    per_second: list[float] = field(default_factory=list)
    alone: list[list[Timing]] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    """Seconds of each process for one change, from the bursts."""

    def totals(self) -> list[float]:
        return [timing.total for timings in self.alone for timing in timings]

    def cpu_seconds(self) -> float:
        """For one change, over all processes."""
        return statistics.median(sum(used.values()) for used in self.cpu)

    def medians(self) -> list[float]:
        return [statistics.median(timing.total for timing in timings) for timings in self.alone]


def run(options: Options) -> Report:
    """Every round measures each contender alone and at fifty, in turn, so that drift meets all of them."""

    async def work(stage: Stage) -> Report:
        return await _measure(stage, options)

    return on_stage(work, options)


async def _measure(stage: Stage, options: Options) -> Report:
    # The baselines follow no events, so that here nothing brings any: webhooks are measured by themselves.
    await stage.control("webhooks", {"mode": "drop"})
    organizations = await provision(stage, PLACES + DISSECTED)
    subscriptions = await subscribe(stage, PLACES)
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(driving(stage.temporal))
        anatomy = await dissect(stage, driver, organizations[:DISSECTED])
        await stack.enter_async_context(stage.product())
        await stage.temporal.get_schedule_handle("event-catch-up").pause()
        opened = await stack.enter_async_context(stage.baselines())
        http = await stack.enter_async_context(stage.client())
        measured = [
            await _prepare(stage, driver, contender, anatomy)
            for contender in (
                Product(http, stage.records, organizations[DISSECTED:]),
                Baseline("same Stripe calls", stage.temporal, opened, anatomy.shape, subscriptions),
                Baseline("bare", stage.temporal, opened, anatomy.shape),
            )
        ]
        for _ in range(options.rounds):
            for one in measured:
                one.alone.append([await driver.alone(one.contender) for _ in range(options.alone)])
            for one in measured:
                before = stage.cpu_seconds()
                one.per_second.append(await driver.burst(one.contender, options.burst, AT_ONCE))
                used = stage.cpu_seconds()
                one.cpu.append({name: (used[name] - before[name]) / options.burst for name in used})
    return _report(measured, anatomy, stage, options)


async def _prepare(stage: Stage, driver: Driver, contender: Contender, anatomy: Anatomy) -> Measured:
    """Warm it up, and see that it does what the product does."""
    await driver.burst(contender, WARM_UP, min(AT_ONCE, WARM_UP))
    seen = await last_request(stage)
    timing = await driver.alone(contender)
    shape, cost = await settled(stage.temporal, timing.asked.workflow)
    if shape.counts() != anatomy.shape.counts():
        raise BaselineDiffers(f"{contender.name}: {shape.counts()}, the product: {anatomy.shape.counts()}")
    stripe = await stripe_calls(stage, seen)
    if stripe and stripe != anatomy.stripe:
        raise BaselineDiffers(f"{contender.name}: {stripe}, the product: {anatomy.stripe}")
    return Measured(contender, cost, stripe)


def _report(measured: Sequence[Measured], anatomy: Anatomy, stage: Stage, options: Options) -> Report:
    plixo, same_calls, _ = measured
    throughput = ratios(plixo.per_second, same_calls.per_second)
    latency = ratios(plixo.medians(), same_calls.medians())
    changes = options.rounds * options.burst
    return Report(
        name="plan_change",
        title=f"a complete plan change, approval included (records on {stage.database})",
        columns=("", "Plixo", "(b) same Stripe calls", "(a) bare"),
        rows=[
            (f"{AT_ONCE} at a time, a second", *(figure(statistics.median(m.per_second)) for m in measured)),
            ("CPU time for one, all processes", *(milliseconds(m.cpu_seconds()) for m in measured)),
            ("alone, p50", *(milliseconds(percentile(m.totals(), 50)) for m in measured)),
            ("alone, p95", *(milliseconds(percentile(m.totals(), 95)) for m in measured)),
            ("of it until the review is open, p50", *(_part(m, "until_review") for m in measured)),
            ("of it after the decision, p50", *(_part(m, "after_decision") for m in measured)),
            ("Temporal actions", *(str(m.cost.actions) for m in measured)),
            ("events in histories", *(str(m.cost.events) for m in measured)),
            ("histories", *(f"{m.cost.bytes / 1024:.0f} KiB" for m in measured)),
            ("calls to Stripe", *(str(m.stripe.total()) for m in measured)),
            ("database round trips", f"{anatomy.round_trips:.0f}", "0", "0"),
        ],
        targets=[
            Target(
                what=f"throughput at {AT_ONCE}, × (b)", measured=throughput, sense="≥", wanted=0.7, unit="×"
            ),
            Target(what="p50 alone, × (b)", measured=latency, sense="≤", wanted=1.5, unit="×"),
        ],
        notes=[
            f"{options.rounds} rounds, each with every contender in turn; ratios are medians of the rounds', "
            f"over {changes} changes at {AT_ONCE} at a time and {options.rounds * options.alone} alone.",
            "(b) makes the same calls through the SDK against the same stand-in; (a) does nothing, in the "
            "same number of activities, children and updates. Both are read from a plan change's history: "
            + _listed(anatomy.shape.counts())
            + ".",
            f"Alone: Temporal's own times, without the {1000 * PAUSE:.0f} ms that the approver takes.",
            f"{_passed_on_later(plixo)} of Plixo's decisions were answered 202 and delivered by the outbox.",
            f"Database: {anatomy.statements:.0f} statements, {anatomy.transactions:.0f} transactions "
            "(BEGIN and COMMIT are a round trip each); the API's part included.",
        ],
        facts={
            "per_second": {m.contender.name: m.per_second for m in measured},
            "alone_seconds": {m.contender.name: m.totals() for m in measured},
            "cpu_seconds": {m.contender.name: m.cpu for m in measured},
            "cost": {m.contender.name: m.cost.model_dump() for m in measured},
            "counts": dict(anatomy.shape.counts()),
            "stripe_calls": dict(anatomy.stripe),
            "database": {
                "statements": anatomy.statements,
                "transactions": anatomy.transactions,
                "round_trips": anatomy.round_trips,
                "sql": anatomy.sql,
            },
        },
    )


def _part(measured: Measured, part: str) -> str:
    return milliseconds(
        percentile([getattr(timing, part) for timings in measured.alone for timing in timings], 50)
    )


def _passed_on_later(measured: Measured) -> int:
    assert isinstance(measured.contender, Product)
    return measured.contender.passed_on_later


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)
