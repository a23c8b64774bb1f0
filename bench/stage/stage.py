"""Where benchmarks run: the Temporal server, stand-in and mail sink of the embedded stack.

The product runs on it as in production: `python -m api` and `python -m worker`, by settings.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import httpx
import psutil  # type: ignore[import-untyped]
import stripe
from temporalio.client import Client

from activities.stripe.client import stripe_client
from billing.policy.policy import Policy
from db.core.session import Database
from sandbox.stack import running
from sandbox.stack.places import LOOPBACK, Part, Places, reserve_ports
from sandbox.stack.policies import restated
from sandbox.stack.processes import Child
from sandbox.stack.stack import ROOT, Stack
from settings.settings import DEFAULT_POLICY, Settings, load
from workflows.client.connection import connection

from ..options import Options
from .databases import PostgresServer, postgres_server

T = TypeVar("T")

BUDGET = 2000.0
"""Calls to Stripe a second: so many that the account's budget is not what is measured."""

SHIPPED = 20.0
"""As the policy that is shipped: for counts. A faster account also takes the time of each endpoint."""

START_WITHIN = 30.0
"""Seconds."""

KEEP_ALIVE = 2.0
"""Seconds that a connection to the API stays open unused."""


class BenchPlaces(Places):
    """A data directory under the policy that is shipped, but for the pace of calls to Stripe."""

    def __init__(self, root: Path, database_url: str | None, budget: float) -> None:
        super().__init__(root)
        self._policy = self.file("policy.toml")
        self._policy.write_text(_paced(DEFAULT_POLICY.read_text(encoding="utf-8"), budget), encoding="utf-8")
        self._database_url = database_url

    @property
    def env(self) -> dict[str, str]:
        elsewhere = {"PLIXO_DATABASE_URL": self._database_url} if self._database_url else {}
        return {**super().env, **elsewhere, "PLIXO_POLICY_FILE": str(self._policy)}


def _paced(policy: str, budget: float) -> str:
    paced = restated({"requests_per_second": budget}, policy)
    reminders = r"(?m)^(\[reminders\]\n)days = .*\nopens = .*\ncloses = .*$"
    at_any_hour = r"\1days = [0, 1, 2, 3, 4, 5, 6]\nopens = 00:00:00\ncloses = 23:59:59.999999"
    paced, found = re.subn(reminders, at_any_hour, paced)
    if found != 1:
        raise ValueError("policy.toml no longer begins [reminders] with days, opens and closes")
    return paced


@dataclass
class Stage:
    """The running surroundings, without `api` and `worker`."""

    stack: Stack
    temporal: Client
    stripe: stripe.StripeClient
    stand_in: httpx.AsyncClient
    settings: Settings
    policy: Policy
    records: Database
    postgres: PostgresServer | None
    profile: Path | None

    @property
    def database(self) -> str:
        """Which one the records are on, for people."""
        return "PostgreSQL" if self.postgres else "SQLite"

    @property
    def api(self) -> str:
        return self.stack.places.url("api")

    @asynccontextmanager
    async def product(self) -> AsyncIterator[None]:
        """`python -m api` and `python -m worker`, ready."""
        url = self.stack.places.url
        async with self.process("api", self._command("api"), f"{url('api')}/readyz"), self.worker():
            yield

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """`python -m worker`, ready."""
        health = {"PLIXO_HEALTH_PORT": str(self.stack.places.ports["worker"])}
        ready = f"{self.stack.places.url('worker')}/healthz"
        async with self.process("worker", self._command("worker"), ready, **health):
            yield

    @asynccontextmanager
    async def second_product(self) -> AsyncIterator[str]:
        """One more API and worker, on the same records and Temporal, ready; gives that API's address."""
        ports = reserve_ports({})
        api, worker = (f"http://{LOOPBACK}:{ports[name]}" for name in ("api", "worker"))
        commands = self.stack.commands()
        at = {"PLIXO_API_PORT": str(ports["api"]), "PLIXO_API_METRICS_PORT": str(ports["figures"])}
        health = {"PLIXO_HEALTH_PORT": str(ports["worker"])}
        async with (
            self.process("second api", commands["api"], f"{api}/readyz", **at),
            self.process("second worker", commands["worker"], f"{worker}/healthz", **health),
        ):
            yield api

    @asynccontextmanager
    async def baselines(self) -> AsyncIterator[Path]:
        """The baselines' worker; gives the file that it names opened reviews in, one a line."""
        opened = self.stack.places.file("opened-reviews")
        opened.touch()
        async with self.process("baselines", [sys.executable, "-m", "bench.bare.worker", str(opened)]):
            yield opened

    @asynccontextmanager
    async def process(
        self, name: str, argv: list[str], ready: str | None = None, **env: str
    ) -> AsyncIterator[Child]:
        """A process of this stage, once the URL `ready` answers. Raises StackFailed when it never does."""
        child = await self.stack.processes.start(name, argv, self._env(**env))
        try:
            if ready is not None:
                await self.stack.processes.ready(child, lambda: self._answers(ready), START_WITHIN)
            yield child
        finally:
            await self.stack.processes.end(child)

    async def finish(self, name: str, *module: str) -> None:
        """Run `python -m …` to its end. Raises StackFailed unless it ends with 0."""
        await self.stack.processes.finish(name, [sys.executable, "-m", *module], self._env())

    def cpu_seconds(self) -> dict[str, float]:
        """What every process has used so far, the driver's own included."""
        running = self.stack.processes.running
        used = {child.name: _cpu_seconds(psutil.Process(child.pid)) for child in running}
        used["driver"] = _cpu_seconds(psutil.Process())
        if self.postgres is not None and self.postgres.pid is not None:
            server = psutil.Process(self.postgres.pid)
            # One process for each connection; pools keep theirs.
            used["postgres"] = sum(map(_cpu_seconds, [server, *server.children(recursive=True)]))
        return used

    def resident(self, name: str) -> float:
        """Mebibytes of memory that one of the processes holds."""
        pid = next(child.pid for child in self.stack.processes.running if child.name == name)
        return float(psutil.Process(pid).memory_info().rss) / (1024 * 1024)

    def client(self, api: str | None = None) -> httpx.AsyncClient:
        """For calls to the product's API, or to the one at the address `api`."""
        # The API lets go of idle connections after five seconds: who does so just then loses a request.
        limits = httpx.Limits(keepalive_expiry=KEEP_ALIVE)
        return httpx.AsyncClient(base_url=api or self.api, timeout=60, trust_env=False, limits=limits)

    async def control(self, path: str, body: Any = None) -> Any:
        """Call one of the stand-in's own endpoints: a POST when there is a body."""
        answer = await (
            self.stand_in.get(f"/_sandbox/{path}")
            if body is None
            else self.stand_in.post(f"/_sandbox/{path}", json=body)
        )
        return answer.raise_for_status().json()

    def _command(self, part: Part) -> list[str]:
        if self.profile is None:
            return self.stack.commands()[part]
        self.profile.mkdir(parents=True, exist_ok=True)
        stacks = self.profile.resolve() / f"{part}.folded"
        return [sys.executable, "-m", "bench.sampling", str(stacks), part]

    def _env(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PLIXO_")}
        return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self.stack.env, **more}

    async def _answers(self, url: str) -> bool:
        try:
            return (await self.stand_in.get(url)).is_success
        except httpx.HTTPError:
            return False


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def on_stage(work: Callable[[Stage], Awaitable[T]], options: Options, *, budget: float = BUDGET) -> T:
    """Do the work on a fresh stage and clear it away. Raises StackFailed, and what the work raises."""
    done: list[T] = []

    async def on(stack: Stack) -> None:
        async with _staged(stack, server, options.profile) as stage:
            done.append(await work(stage))

    with (
        TemporaryDirectory(prefix="plixo-bench-") as root,
        postgres_server() if options.postgres else nullcontext() as server,
        closing(BenchPlaces(Path(root), server.url if server else None, budget)) as places,
    ):
        asyncio.run(running.run(places, {"api", "worker"}, on))
    return done[0]


@asynccontextmanager
async def _staged(
    stack: Stack, postgres: PostgresServer | None, profile: Path | None
) -> AsyncIterator[Stage]:
    given = {name.removeprefix("PLIXO_").lower(): value for name, value in stack.env.items()}
    settings, policy = load(**given)
    async with AsyncExitStack() as closing:
        stand_in = httpx.AsyncClient(base_url=settings.stripe_api_base, timeout=60, trust_env=False)
        await closing.enter_async_context(stand_in)
        records = Database(settings.database_url)
        closing.push_async_callback(records.dispose)
        yield Stage(
            stack=stack,
            temporal=await connection(settings).client(),
            stripe=stripe_client(settings.stripe_api_key.get_secret_value(), settings.stripe_api_base),
            stand_in=stand_in,
            settings=settings,
            policy=policy,
            records=records,
            postgres=postgres,
            profile=profile,
        )
