"""A database that is away for long under many open operations: what it costs, and how they go on.

`make outage MINUTES=10` plays it under two hundred and at its full length, the suite under a quarter of them
and a short one.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import stripe
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from db.core.session import Database
from sandbox.stack.policies import restated

from ..postgres import mortal_postgres
from ..town import town_in
from .crowd import Crowd, Size
from .effects import once_each
from .histories import Cost, costs, ended_wrong, told

HURRIED = {
    "requests_per_second": 60.0,
    "window_seconds": 6,
    "probe_every_seconds": 1,
    "healthy_seconds": 3,
}
MUCH = {"PLIXO_OPERATIONS_PER_PERSON": "10000", "PLIXO_OPERATIONS_PER_ORGANIZATION": "10000"}
"""As many in a minute are more than an organization may begin."""

EARLY = 5
"""Seconds before the first reminder."""


@dataclass(frozen=True)
class Figures:
    """What an outage came to."""

    away: float
    """Seconds."""
    operations: int
    unanswered: int
    """Decisions that were on their way when the database was killed, and got no good answer."""
    costs: list[Cost]
    ended: dict[str, int]
    """Operations, by their final states."""

    def __str__(self) -> str:
        return (
            f"{self.operations} operations, away for {self.away:.0f} s, {self.unanswered} decisions without "
            f"a good answer; they ended {self.ended}\n{told(self.costs)}"
        )


def due_after(minutes: float) -> int:
    """Minutes until something is said again: twice within a long outage, and never less than one."""
    return max(1, int(minutes / 2) - 1)


def policy(minutes: float) -> str:
    """Reviews, notices and cases fall due while the database is away, by the clock."""
    due = due_after(minutes)
    text = restated(HURRIED).replace('calendar = "office"', 'calendar = "24x7"')
    text = re.sub(r"(?m)^(remind_every|acknowledge_within) = \d+", rf"\1 = {due}", text)
    return re.sub(r"(?m)^(respond_within) = \d+", rf"\1 = {due * 10 + 30}", text)


async def outage(
    folder: Path, seconds: float, size: Size, say: Callable[[str], None] = lambda _: None
) -> Figures:
    """Plays it; whoever calls it looks at the figures. Fails where an operation stops, or goes twice."""
    async with _crowd(folder, policy(seconds / 60), size) as crowd:
        await crowd.gather()
        await _until_nearly_due(crowd, seconds)
        say(f"{len(crowd.all)} operations are open; PostgreSQL is killed")
        unanswered = await crowd.approve_as_it_dies()
        gone = crowd.gone_at
        await crowd.happen()
        await asyncio.sleep(max(seconds - (datetime.now(UTC) - gone).total_seconds(), 0))
        back = datetime.now(UTC)
        await crowd.postgres.start()
        await crowd.records.dispose()  # our own connections died too
        counted = await costs(crowd.temporal, gone, back)
        say(f"back after {(back - gone).total_seconds():.0f} s:\n{told(counted)}")
        ended = await crowd.end(unanswered)
        wrong = await ended_wrong(crowd.temporal)
        assert not wrong, wrong
        await once_each(crowd)
        violations = await crowd.town.control("GET", "violations")
        assert not violations, violations
    return Figures(
        away=(back - gone).total_seconds(),
        operations=len(crowd.all),
        unanswered=len(unanswered),
        costs=counted,
        ended={state: len(operations) for state, operations in ended.items()},
    )


async def _until_nearly_due(crowd: Crowd, seconds: float) -> None:
    """An outage that is shorter than the time between two reminders begins just before the first of them."""
    due = due_after(seconds / 60) * 60
    if seconds < due:
        passed = (datetime.now(UTC) - crowd.asked_at).total_seconds()
        await asyncio.sleep(due - EARLY - passed % due if passed % due < due - EARLY else 0)


@asynccontextmanager
async def _crowd(folder: Path, text: str, size: Size) -> AsyncIterator[Crowd]:
    """The product as processes, on a PostgreSQL server that can be killed."""
    file = folder / "policy.toml"
    file.write_text(text, encoding="utf-8")
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(mortal_postgres())
        town = await stack.enter_async_context(town_in(folder, without="api,worker"))
        more = {"PLIXO_DATABASE_URL": postgres.url, "PLIXO_POLICY_FILE": str(file)}
        town.env = town.env | more | MUCH
        await town.run("db", "upgrade")
        await town.start("api")
        await town.run("worker.provision", str(folder / "data" / "organization.json"))
        await town.start("worker")
        await town.serving()
        temporal = await Client.connect(town.info["temporal"], data_converter=pydantic_data_converter)
        client = stripe.StripeClient(
            town.env["PLIXO_STRIPE_API_KEY"],
            base_addresses={"api": town.info["stripe"]},
            max_network_retries=3,
            http_client=stripe.HTTPXClient(timeout=30),
        )
        records = Database(postgres.url)
        stack.push_async_callback(records.dispose)
        yield Crowd(town, postgres, records, temporal, client, size)
