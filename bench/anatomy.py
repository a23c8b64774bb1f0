"""What one plan change consists of, counted on real ones."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select
from temporalio.client import Client

from db.tables import Organization, StripeEvent

from .shapes.histories import Cost, begun_since
from .stage import in_process
from .stage.contenders import Product
from .stage.driving import Driver
from .stage.organizations import Organization as Provisioned
from .stage.stage import Stage

COUNTED = 5
LOOK_EVERY = 0.5
LOOKS_ALIKE = 3
IDLE, IDLE_LOOKS = 3.0, 3
"""Seconds in which is counted what the database is asked when nothing happens; the least of several."""
PROBE = "GET /v1/customers"
"""How `activities.incidents.probes` asks whether Stripe answers; no workflow lists customers."""

_ID = re.compile(r"/[a-z]+_\w*\d\w*")


@dataclass(frozen=True)
class Anatomy:
    """Means of several, of one operation each."""

    cost: dict[str, Cost]
    """By the type of workflow."""
    operations: int
    stripe: Counter[str]
    """Of all of them."""
    statements: float
    transactions: float
    round_trips: float
    """Less what the database is asked meanwhile when nothing happens."""
    sql: dict[str, float]
    """How often each statement was sent."""

    @property
    def actions(self) -> float:
        return Cost.together(self.cost.values()).actions / self.operations

    @property
    def events(self) -> float:
        return Cost.together(self.cost.values()).events / self.operations

    @property
    def kibibytes(self) -> float:
        return Cost.together(self.cost.values()).bytes / self.operations / 1024

    @property
    def calls(self) -> float:
        return self.stripe.total() / self.operations


async def dissect(stage: Stage, driver: Driver, organizations: list[Provisioned]) -> tuple[Anatomy, Anatomy]:
    """Plan changes by the product in this process, one after another: at first as the baselines do them,
    without Stripe's events and with nobody who acknowledges; then as in production."""
    async with in_process.product(stage) as http:
        plixo = Product(http, stage.records, organizations, "dissected")

        async def change() -> None:
            await driver.alone(plixo)

        async def change_and_acknowledge() -> None:
            changed = await driver.alone(plixo)
            await settled(
                stage, stage.temporal, datetime.now(UTC)
            )  # Finance reads what Stripe has told of it
            await plixo.acknowledge(changed.asked.place)

        for _ in organizations:
            await change()
        alone = await counted(stage, stage.temporal, change)
        for organization in organizations:
            await plixo.acknowledge(organization)
        await stage.control("webhooks", {"mode": "normal"})
        whole = await counted(stage, stage.temporal, change_and_acknowledge)
        await stage.control("webhooks", {"mode": "drop"})
    return alone, whole


async def counted(
    stage: Stage, temporal: Client, operation: Callable[[], Awaitable[None]], times: int = COUNTED
) -> Anatomy:
    """So many operations and everything that they set off, to its end."""
    await settled(stage, temporal, datetime.now(UTC))
    loop = asyncio.get_running_loop()
    idle = min([await _idle_rate() for _ in range(IDLE_LOOKS)])
    seen, since, began = await last_request(stage), datetime.now(UTC), loop.time()
    with in_process.counted() as sent:
        for _ in range(times):
            await operation()
            cost = await settled(stage, temporal, since)
        beside = idle * (loop.time() - began)
    return Anatomy(
        cost=cost,
        operations=times,
        stripe=await stripe_calls(stage, seen),
        statements=sent.sql.total() / times,
        transactions=sent.commits / times,
        round_trips=(sent.round_trips - beside) / times,
        sql={sql: number / times for sql, number in sent.sql.most_common()},
    )


async def _idle_rate() -> float:
    """Round trips a second when nothing happens, or more when something still does."""
    with in_process.counted() as sent:
        await asyncio.sleep(IDLE)
    return sent.round_trips / IDLE


async def settled(stage: Stage, temporal: Client, since: datetime) -> dict[str, Cost]:
    """What has begun since, by type, once nothing more happens: mails and events outlive what they are of."""
    alike, before = 0, await begun_since(temporal, since)
    while alike < LOOKS_ALIKE:
        await asyncio.sleep(LOOK_EVERY)
        cost = await begun_since(temporal, since)
        quiet = cost == before and not await _anything_is_followed(stage)
        alike, before = (alike + 1 if quiet else 0), cost
    return before


async def _anything_is_followed(stage: Stage) -> bool:
    """Whether an event of Stripe's waits, or an organization's next invoice is to be read again."""
    events = select(StripeEvent.id).where(StripeEvent.state == "pending")
    changed = select(Organization.id).where(col(Organization.renewal_due_at).is_not(None))
    async with stage.records.reading() as session:
        for waiting in (events, changed):
            found = await session.exec(waiting.limit(1).execution_options(**in_process.BY_THE_DRIVER))
            if found.first() is not None:
                return True
    return False


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
