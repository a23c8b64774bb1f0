"""What one plan change consists of, counted on real ones: the measure for the baselines."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from . import shapes
from .shapes import Cost, Shape
from .stage import in_process
from .stage.contenders import Product
from .stage.driving import Driver
from .stage.organizations import Organization
from .stage.stage import Stage

COUNTED = 5
LOOK_EVERY = 0.2
PROBE = "GET /v1/customers"
"""How `activities.incidents.probes` asks whether Stripe answers; no workflow lists customers."""

_ID = re.compile(r"/[a-z]+_\w*\d\w*")


@dataclass(frozen=True)
class Anatomy:
    """Per plan change; database figures are means of several."""

    shape: Shape
    cost: Cost
    stripe: Counter[str]
    statements: float
    transactions: float
    round_trips: float
    sql: dict[str, float]
    """How often each statement was sent."""


async def dissect(stage: Stage, driver: Driver, organizations: list[Organization]) -> Anatomy:
    """Some plan changes by the product in this process, one after another; the first ones only warm it up."""
    async with in_process.product(stage) as http:
        plixo = Product(http, stage.records, organizations, "dissected")
        for _ in range(2):
            await settled(stage.temporal, (await driver.alone(plixo)).asked.workflow)
        with in_process.counted() as statements:
            for _ in range(COUNTED):
                seen = await last_request(stage)
                changed = await driver.alone(plixo)
                shape, cost = await settled(stage.temporal, changed.asked.workflow)
    return Anatomy(
        shape=shape,
        cost=cost,
        stripe=await stripe_calls(stage, seen),
        statements=statements.sql.total() / COUNTED,
        transactions=statements.commits / COUNTED,
        round_trips=statements.round_trips / COUNTED,
        sql={sql: sent / COUNTED for sql, sent in statements.sql.most_common()},
    )


async def settled(temporal: Client, workflow: str) -> tuple[Shape, Cost]:
    """Shape and cost once nothing more happens: notices and mails outlive what they are about."""
    shape, cost = await shapes.read(temporal, workflow)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        before = cost
        shape, cost = await shapes.read(temporal, workflow)
        if cost == before:
            return shape, cost


async def last_request(stage: Stage) -> int:
    """The number of the newest line in the stand-in's request log."""
    lines: list[dict[str, Any]] = await stage.control("requests")
    return int(lines[-1]["seq"]) if lines else 0


async def stripe_calls(stage: Stage, since: int) -> Counter[str]:
    """What the stand-in was asked after a line of its log, without ids and but for the worker's probes."""
    lines: list[dict[str, Any]] = await stage.control(f"requests?since={since}")
    asked = Counter(f"{line['method']} {_ID.sub('/…', line['path'])}" for line in lines)
    del asked[PROBE]
    return asked
