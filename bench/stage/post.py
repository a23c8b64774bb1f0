"""How soon a request for a plan change is answered, against the bare start of a workflow."""

import asyncio
import time
from contextlib import AsyncExitStack

from ..bare import workflow as bare
from ..bare.workflow import Errand
from ..options import Options
from ..reports import Report, Target, milliseconds, percentile
from ..shapes.shape import Shape
from .contenders import Product
from .driving import Driver, driving
from .organizations import provision
from .stage import Stage, on_stage

WARM_UP = 10
QUIET = 0.05
"""Seconds after each, so that what a request sets off does not slow the next one."""
NOTHING = Errand(shape=Shape(workflow="Bare", moments=(), ends=True))


def run(options: Options) -> Report:
    """Requests and bare starts in turn, one at a time, each after the last one's work is done."""
    count = options.rounds * options.alone * 2

    async def work(stage: Stage) -> Report:
        posts, starts = await _measure(stage, count)
        return _report(posts, starts, stage)

    return on_stage(work, options)


async def _measure(stage: Stage, count: int) -> tuple[list[float], list[float]]:
    organizations = await provision(stage, WARM_UP + count)
    posts: list[float] = []
    starts: list[float] = []
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(driving(stage.temporal))
        await stack.enter_async_context(stage.product())
        await stack.enter_async_context(stage.baselines())
        http = await stack.enter_async_context(stage.client())
        plixo = Product(http, stage.records, organizations)
        for number in range(WARM_UP + count):
            posts.append(await _post(driver, plixo))
            starts.append(await _start(stage, number))
    return posts[WARM_UP:], starts[WARM_UP:]


async def _post(driver: Driver, plixo: Product) -> float:
    began = time.perf_counter()
    asked = await plixo.ask()
    answered = time.perf_counter() - began
    await driver.opened(plixo, asked)
    await asyncio.sleep(QUIET)
    return answered


async def _start(stage: Stage, number: int) -> float:
    began = time.perf_counter()
    handle = await stage.temporal.start_workflow(
        "Bare", NOTHING, id=f"bare-start-{number}", task_queue=bare.MAIN_QUEUE
    )
    started = time.perf_counter() - began
    await handle.result()
    await asyncio.sleep(QUIET)
    return started


def _report(posts: list[float], starts: list[float], stage: Stage) -> Report:
    both = (posts, starts)
    return Report(
        name="post",
        title=f"POST /v1/plan-changes against a bare workflow start (records on {stage.database})",
        columns=("", "POST", "bare start"),
        rows=[
            ("p50", *(milliseconds(percentile(times, 50)) for times in both)),
            ("p95", *(milliseconds(percentile(times, 95)) for times in both)),
        ],
        targets=[
            Target(
                what="p50 of the answer, × a bare start",
                measured=percentile(posts, 50) / percentile(starts, 50),
                sense="≤",
                wanted=2.0,
                unit="×",
            )
        ],
        notes=[
            f"{len(posts)} of each in turn, one at a time, over a kept connection each; "
            "the bare start is of a workflow that does nothing, on the same Temporal server."
        ],
        facts={"post_seconds": posts, "start_seconds": starts},
    )
