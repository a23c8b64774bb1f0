"""Whether the worker's memory stays flat over thousands of plan changes."""

import statistics
from contextlib import AsyncExitStack

from ..options import Options
from ..reports import Report, Target
from .contenders import Product
from .driving import driving
from .organizations import provision
from .stage import Stage, on_stage

EVERY = 100
FROM = 500
"""Changes until everything is warm: caches of workflows, statements and templates are full."""
AT_ONCE = 50
PLACES = 400
"""So many that none is changed as often as Stripe does not allow."""


def run(options: Options) -> Report:
    """Samples after every hundred changes; growth is that of a line through the samples after the warm-up."""

    async def work(stage: Stage) -> Report:
        return _report(await _measure(stage, options.changes), stage)

    return on_stage(work, options)


async def _measure(stage: Stage, changes: int) -> dict[str, list[tuple[int, float]]]:
    organizations = await provision(stage, PLACES)
    samples: dict[str, list[tuple[int, float]]] = {"worker": [], "api": []}
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(driving(stage.temporal))
        await stack.enter_async_context(stage.product())
        http = await stack.enter_async_context(stage.client())
        plixo = Product(http, stage.records, organizations)
        for done in range(EVERY, changes + 1, EVERY):
            await driver.burst(plixo, EVERY, AT_ONCE)
            for name, taken in samples.items():
                taken.append((done, stage.resident(name)))
    return samples


def growth(samples: list[tuple[int, float]], start: int) -> float:
    """Percent from `start` changes to the last sample, on the line of least squares."""
    warm = [(float(done), size) for done, size in samples if done >= start]
    slope, intercept = statistics.linear_regression(*zip(*warm, strict=True))
    first, last = (slope * done + intercept for done in (warm[0][0], warm[-1][0]))
    return 100 * (last - first) / first


def _report(samples: dict[str, list[tuple[int, float]]], stage: Stage) -> Report:
    changes = samples["worker"][-1][0]
    start = FROM if changes > 2 * FROM else changes // 2
    shown = [number for number, (done, _) in enumerate(samples["worker"]) if done % 500 == 0] or [-1]
    return Report(
        name="memory",
        title=f"resident memory over {changes:,} plan changes (records on {stage.database})",
        columns=("after", *samples),
        rows=[
            (
                f"{samples['worker'][number][0]:,} changes",
                *(f"{taken[number][1]:.0f} MiB" for taken in samples.values()),
            )
            for number in shown
        ],
        targets=[
            Target(
                what=f"growth of the worker from {start:,} to {changes:,}",
                measured=growth(samples["worker"], start),
                sense="≤",
                wanted=5,
                unit="%",
            )
        ],
        notes=[f"{AT_ONCE} at a time; sampled every {EVERY}. Growth is that of the line of least squares."],
        facts={"mebibytes": samples},
    )
