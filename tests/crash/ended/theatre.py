"""Where operations are struck: a house on a dev server of its own, with a reaper that looks often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities.incidents.alerts import AlertMessage
from billing.policy.policy import Policy
from db.core.session import Database
from db.migrate import upgrade_async
from sandbox.stripe.server.inprocess import StandIn
from worker.watch import reaper
from worker.watch.reaper import Reaper

from ...support.house import BIN, House, house
from ..stage import FAST_DEV_SERVER
from .blows import Blows
from .poison import poisonable

PATIENCE = 60.0
"""Seconds of worker time within which everything has an end, or goes on."""
LOOK_EVERY = 0.5
TELLS_AFTER = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"


@dataclass
class Theatre:
    home: House
    blows: Blows
    failures: list[str] = field(default_factory=list)
    played: int = 0
    struck: int = 0


@asynccontextmanager
async def theatre(folder: Path, policy: Policy | None = None) -> AsyncIterator[Theatre]:
    """A house on a dev server of its own, with a reaper that looks often."""
    url = f"sqlite:///{folder / 'records.db'}"
    await upgrade_async(url)
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_extra_args=[
            *FAST_DEV_SERVER[:-2],  # whose tasks may take their time
            *("--dynamic-config-value", f"{TELLS_AFTER}=2"),  # five in production, a minute later
        ],
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
    )
    database = Database(url)
    async with environment:
        with StandIn() as stand_in, poisonable() as poison:
            async with house(environment, database, stand_in, policy=policy) as home:
                home.environment = None
                home.patience = PATIENCE
                blows = Blows(environment.client, poison)

                async def alert(told: AlertMessage) -> None:
                    blows.alerts.append(told)

                looking = asyncio.create_task(_look(Reaper(database, environment.client, alert=alert)))
                try:
                    yield Theatre(home, blows)
                finally:
                    looking.cancel()
                    with suppress(asyncio.CancelledError):
                        await looking
    await database.dispose()


async def _look(looking: Reaper) -> None:
    while True:
        with suppress(*reaper.UNREACHABLE):
            await looking.look()
        await asyncio.sleep(LOOK_EVERY)
