"""A complete plan change, approval included, against two baselines on the same server in the same run.

The baselines have the shape that the product had once (`bench/shapes/reference.json`). What counts is how
much of everything a change takes, and its CPU time against theirs; how fast it is changes with the machine.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from db.core.clock import utc_now
from db.stripe import events as stripe_events

from .anatomy import Anatomy, dissect, last_request, stripe_calls
from .options import Options
from .reports import Report, Target, figure, milliseconds, percentile, ratios
from .shapes import histories
from .shapes.histories import Cost
from .shapes.reference import reference
from .stage.contenders import Baseline, Contender, Product
from .stage.driving import PAUSE, Driver, Timing, driving
from .stage.organizations import provision, subscribe
from .stage.stage import SHIPPED, Stage, on_stage

AT_ONCE = 50
PLACES = 100
"""Organizations, each with one open change at a time."""
DISSECTED = 2
"""Likewise; each has made a change before any is counted, so that the API knows their keys."""
WARM_UP = 30


class BaselineDiffers(Exception):
    """A baseline does not do what the reference says; a comparison would say nothing."""


@dataclass
class Measured:
    """One contender's figures, round by round. `cost` and `calls` are of one change of a baseline."""

    contender: Contender
    cost: Cost = field(default_factory=Cost)
    calls: int = 0
    per_second: list[float] = field(default_factory=list)
    alone: list[list[Timing]] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    """Seconds of each process for one change, from the bursts."""

    def totals(self) -> list[float]:
        return [timing.total for timings in self.alone for timing in timings]

    def cpu_seconds(self) -> list[float]:
        """For one change, over all processes, by round."""
        return [sum(used.values()) for used in self.cpu]

    def process(self, name: str) -> float:
        """Seconds of one process for one change."""
        return statistics.median(used.get(name, 0.0) for used in self.cpu)

    def medians(self) -> list[float]:
        return [statistics.median(timing.total for timing in timings) for timings in self.alone]


def run(options: Options) -> Report:
    """What a change takes is counted on PostgreSQL. Then each contender is measured alone and at fifty: in
    every round in turn, so that drift meets all of them."""

    async def count(stage: Stage) -> tuple[Anatomy, Anatomy]:
        await stage.control("webhooks", {"mode": "drop"})
        organizations = await provision(stage, DISSECTED)
        async with driving(stage.temporal) as driver:
            return await dissect(stage, driver, organizations)

    async def work(stage: Stage) -> Report:
        return _report(await _measure(stage, options), alone, whole, stage, options)

    alone, whole = on_stage(count, options.model_copy(update={"postgres": True}), budget=SHIPPED)
    return on_stage(work, options)


async def _measure(stage: Stage, options: Options) -> list[Measured]:
    # The baselines follow no events, so that here nothing brings any: webhooks are measured by themselves.
    await stage.control("webhooks", {"mode": "drop"})
    organizations = await provision(stage, PLACES)
    subscriptions = await subscribe(stage, PLACES)
    later = utc_now() + timedelta(days=1)
    async with stage.records.transaction() as session:  # or it is asked for what is dropped
        await stripe_events.checked(session, complete_until=later, at=later, missed=0)
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(driving(stage.temporal))
        await stack.enter_async_context(stage.product())
        opened = await stack.enter_async_context(stage.baselines())
        http = await stack.enter_async_context(stage.client())
        shape = reference().shape
        plixo = Measured(Product(http, stage.records, organizations))
        await driver.burst(plixo.contender, WARM_UP, WARM_UP)
        measured = [
            plixo,
            await _prepare(
                stage, driver, Baseline("same Stripe calls", stage.temporal, opened, shape, subscriptions)
            ),
            await _prepare(stage, driver, Baseline("bare", stage.temporal, opened, shape)),
        ]
        for _ in range(options.rounds):
            for one in measured:
                one.alone.append([await driver.alone(one.contender) for _ in range(options.alone)])
            for one in measured:
                before = stage.cpu_seconds()
                one.per_second.append(await driver.burst(one.contender, options.burst, AT_ONCE))
                used = stage.cpu_seconds()
                one.cpu.append({name: (used[name] - before[name]) / options.burst for name in used})
    return measured


async def _prepare(stage: Stage, driver: Driver, baseline: Baseline) -> Measured:
    """Warm it up, and see that it does what the reference says."""
    await driver.burst(baseline, WARM_UP, WARM_UP)
    seen = await last_request(stage)
    timing = await driver.alone(baseline)
    shape, cost = await histories.read(stage.temporal, timing.asked.workflow)
    wanted = reference()
    if shape.counts() != wanted.shape.counts():
        raise BaselineDiffers(f"{baseline.name}: {shape.counts()}, the reference: {wanted.shape.counts()}")
    stripe = await stripe_calls(stage, seen)
    if stripe and stripe != wanted.stripe:
        raise BaselineDiffers(f"{baseline.name}: {stripe}, the reference: {wanted.stripe}")
    return Measured(baseline, cost, stripe.total())


def _report(
    measured: Sequence[Measured], alone: Anatomy, whole: Anatomy, stage: Stage, options: Options
) -> Report:
    plixo, same_calls, bare = measured
    changes = options.rounds * options.burst
    cpu = ratios(plixo.cpu_seconds(), same_calls.cpu_seconds())
    baselines = (same_calls, bare)
    return Report(
        name="plan_change",
        title=f"a complete plan change, approval included (records on {stage.database})",
        columns=("", "Plixo", "(b) same Stripe calls", "(a) bare"),
        rows=[
            ("Temporal actions", figure(alone.actions), *(str(m.cost.actions) for m in baselines)),
            ("with events and acknowledgments", figure(whole.actions), "", ""),
            ("events in histories", figure(alone.events), *(str(m.cost.events) for m in baselines)),
            (
                "histories",
                f"{alone.kibibytes:.0f} KiB",
                *(f"{m.cost.bytes / 1024:.0f} KiB" for m in baselines),
            ),
            ("calls to Stripe", figure(alone.calls), *(str(m.calls) for m in baselines)),
            ("with events", figure(whole.calls), "", ""),
            ("round trips on PostgreSQL", figure(alone.round_trips), "0", "0"),
            ("with events and acknowledgments", figure(whole.round_trips), "", ""),
            (
                "CPU time for one, all processes",
                *(milliseconds(statistics.median(m.cpu_seconds())) for m in measured),
            ),
            *(
                (f"of it {name}", *(milliseconds(m.process(name)) for m in measured))
                for name in _processes(measured)
            ),
            (f"{AT_ONCE} at a time, a second", *(figure(statistics.median(m.per_second)) for m in measured)),
            ("× (b)", figure(ratios(plixo.per_second, same_calls.per_second)), "", ""),
            ("alone, p50", *(milliseconds(percentile(m.totals(), 50)) for m in measured)),
            ("× (b)", figure(ratios(plixo.medians(), same_calls.medians())), "", ""),
            ("alone, p95", *(milliseconds(percentile(m.totals(), 95)) for m in measured)),
            ("of it until the review is open, p50", *(_part(m, "until_review") for m in measured)),
            ("of it after the decision, p50", *(_part(m, "after_decision") for m in measured)),
        ],
        targets=[
            Target(what="Temporal actions", measured=alone.actions, sense="≤", wanted=12),
            Target(
                what="Temporal actions with events and acknowledgments",
                measured=whole.actions,
                sense="≤",
                wanted=18,
            ),
            Target(what="round trips on PostgreSQL", measured=alone.round_trips, sense="≤", wanted=60),
            Target(what="CPU time of all processes, × (b)", measured=cpu, sense="≤", wanted=0.9, unit="×"),
        ],
        notes=[
            f"{options.rounds} rounds, each with every contender in turn; ratios are medians of the rounds', "
            f"over {changes} changes at {AT_ONCE} at a time and {options.rounds * options.alone} alone.",
            f"Counts are means of {alone.operations} changes, on PostgreSQL, each followed to its last mail "
            "and event. A child counts twice, as Temporal bills it. BEGIN and COMMIT are a round trip each.",
            "(b) makes the calls to Stripe of November 29, 2026, through the SDK against the same stand-in; "
            "(a) does nothing, in the same number of activities, children and updates. Both play "
            "bench/shapes/reference.json: " + _listed(reference().shape.counts()) + ".",
            "Actions with events and acknowledgments: " + _by_type(whole) + ".",
            f"Alone: without the {1000 * PAUSE:.0f} ms that the approver takes; Temporal times the end.",
            f"Database: {alone.statements:.0f} statements, {alone.transactions:.0f} transactions, the API's "
            "and the outbox's part included.",
        ],
        facts={
            "per_second": {m.contender.name: m.per_second for m in measured},
            "alone_seconds": {m.contender.name: m.totals() for m in measured},
            "cpu_seconds": {m.contender.name: m.cpu for m in measured},
            "cost": {m.contender.name: m.cost.model_dump() for m in baselines},
            "counts": {"alone": _facts(alone), "whole": _facts(whole)},
        },
    )


def _processes(measured: Iterable[Measured]) -> list[str]:
    """Those that have used any, the most first."""
    used: Counter[str] = Counter()
    for one in measured:
        for each in one.cpu:
            used.update(each)
    return [name for name, seconds in used.most_common() if seconds]


def _by_type(anatomy: Anatomy) -> str:
    by_actions = sorted(anatomy.cost.items(), key=lambda one: -one[1].actions)
    return ", ".join(f"{called} {figure(cost.actions / anatomy.operations)}" for called, cost in by_actions)


def _facts(anatomy: Anatomy) -> dict[str, object]:
    return {
        "cost": {called: cost.model_dump() for called, cost in anatomy.cost.items()},
        "operations": anatomy.operations,
        "stripe_calls": dict(anatomy.stripe),
        "statements": anatomy.statements,
        "transactions": anatomy.transactions,
        "round_trips": anatomy.round_trips,
        "sql": anatomy.sql,
    }


def _part(measured: Measured, part: str) -> str:
    return milliseconds(
        percentile([getattr(timing, part) for timings in measured.alone for timing in timings], 50)
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)
