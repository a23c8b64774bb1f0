"""Where processes are killed: a Temporal dev server with a file, a stand-in, and for each scenario a
namespace, a database and a worker process of its own. The API runs in the test's process.

Reusable: a story is a coroutine that acts through the API; `Stage.play` runs it under a scenario.
"""

import asyncio
import multiprocessing
import signal
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from api.app import create_app
from api.context import Context
from db.migrate import upgrade_async
from db.session import Database
from settings.settings import DEFAULT_POLICY, Settings

from ..house import BIN, House, MailSink, default_policy
from ..shop import Shop
from .plan import Kill, Scenario
from .worker import live

PATIENCE = 120.0
"""Seconds: a killed worker's tasks are handed out again only after their timeouts."""

ROOT = Path(__file__).parents[2]
FAST_DEV_SERVER = [
    "--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000",
    "--dynamic-config-value", "history.timerProcessorMaxPollRPS=2000",
    "--dynamic-config-value", "matching.numTaskqueueReadPartitions=1",
    "--dynamic-config-value", "matching.numTaskqueueWritePartitions=1",
]  # fmt: skip


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.crash.worker"])
"""A worker's life begins with its modules loaded: most of the time to start one goes into that."""


@dataclass
class Victim:
    """The worker process of a scenario: killed by its plan, and started again without being asked."""

    settings: dict[str, str]
    log: Path
    deaths: int = 0
    unplanned: list[int | None] = field(default_factory=list)
    _process: ForkServerProcess | None = None
    _keeper: asyncio.Task[None] | None = None
    _wanted: bool = True

    async def start(self, kills: tuple[Kill, ...]) -> None:
        """Starts it with the first kill; the next life has the next one, the last has none."""
        self._spawn(kills[0] if kills else None)
        self._keeper = asyncio.create_task(self._keep(list(kills[1:])))

    async def stop(self) -> None:
        """Ends it for good."""
        self._wanted = False
        if self._process is not None:
            self._process.kill()
        if self._keeper is not None:
            await self._keeper

    async def _keep(self, kills: list[Kill]) -> None:
        while True:
            assert self._process is not None
            await _readable(self._process.sentinel)
            self._process.join()
            code = self._process.exitcode
            if not self._wanted:
                return
            if code != -signal.SIGKILL:
                self.unplanned.append(code)
                return
            self.deaths += 1
            self._spawn(kills.pop(0) if kills else None)

    def _spawn(self, kill: Kill | None) -> None:
        plan = kill.model_dump_json() if kill is not None else None
        self._process = FORKS.Process(target=live, args=(self.settings, plan, str(self.log)), daemon=True)
        self._process.start()


async def _readable(descriptor: int) -> None:
    """Waits until a process has ended, by its sentinel."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(descriptor, lambda: ended.done() or ended.set_result(None))
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)


Story = Callable[[House], Awaitable[None]]


@dataclass
class Stage:
    """The shared server and stand-in; scenarios are apart from each other by namespace and database."""

    address: str
    shop: Shop
    folder: Path
    namespaces: list[str]

    @asynccontextmanager
    async def scene(self, scenario: Scenario) -> AsyncIterator[tuple[House, Victim]]:
        """A house of its own for one scenario, whose worker is not started yet."""
        namespace = self.namespaces.pop()
        url = f"sqlite:///{self.folder / namespace}.db"
        await upgrade_async(url)
        async with AsyncExitStack() as stack:
            mail = await stack.enter_async_context(MailSink())
            database = Database(url)
            stack.push_async_callback(database.dispose)
            temporal = await Client.connect(
                self.address, namespace=namespace, data_converter=pydantic_data_converter
            )
            settings = Settings(
                database_url=url,
                temporal_address=self.address,
                temporal_namespace=namespace,
                stripe_api_key=SecretStr("sk_test_plixo"),
                stripe_api_base=self.shop.stand_in.url,
                smtp_url=mail.url,
                public_url="http://plixo.test",
                policy_file=self.folder / "policy.toml",
            )
            policy = default_policy()
            app = create_app(policy, database, temporal, rate=1e6)
            http = await stack.enter_async_context(
                AsyncClient(transport=ASGITransport(app), base_url="http://plixo.test", timeout=60)
            )
            context: Context = app.state.context
            stack.push_async_callback(context.dispatcher.idle)
            home = House(temporal, None, database, self.shop, mail, http, settings, policy, PATIENCE)
            victim = Victim(_env(settings), self.folder / f"{namespace}.log")
            stack.push_async_callback(victim.stop)
            yield home, victim


def _env(settings: Settings) -> dict[str, str]:
    return {
        "PLIXO_DATABASE_URL": settings.database_url,
        "PLIXO_TEMPORAL_ADDRESS": settings.temporal_address,
        "PLIXO_TEMPORAL_NAMESPACE": settings.temporal_namespace,
        "PLIXO_STRIPE_API_KEY": settings.stripe_api_key.get_secret_value(),
        "PLIXO_STRIPE_API_BASE": settings.stripe_api_base,
        "PLIXO_SMTP_URL": settings.smtp_url,
        "PLIXO_PUBLIC_URL": settings.public_url,
        "PLIXO_POLICY_FILE": str(settings.policy_file),
    }


@asynccontextmanager
async def stage(shop: Shop, folder: Path, scenes: int) -> AsyncIterator[Stage]:
    """A dev server that keeps its state in a file, with a namespace for every scene."""
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    pace = tomllib.loads(text)["stripe"]["requests_per_second"]
    (folder / "policy.toml").write_text(
        text.replace(f"requests_per_second = {pace}", "requests_per_second = 500.0"), encoding="utf-8"
    )
    namespaces = [f"scene-{number}" for number in range(scenes)]
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_database_filename=str(folder / "temporal.db"),
        dev_server_extra_args=[
            *FAST_DEV_SERVER,
            *(part for name in namespaces for part in ("--namespace", name)),
        ],
        dev_server_log_level="error",
    )
    async with environment:
        yield Stage(environment.client.service_client.config.target_host, shop, folder, namespaces)
