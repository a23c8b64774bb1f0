"""Two APIs and several workers as processes, on a PostgreSQL whose standby has whatever it has committed."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from db.core.session import Database
from sandbox.stack.policies import restated
from sandbox.stack.processes import Child, Processes

from ..api.processes import free_port
from ..crash.postgres import Pair, postgres_pair
from ..crash.stage import ROOT
from ..hours.stage import HURRIED, Stage, stripe_of
from ..support.stack import stack_in

APIS = 2
READY_WITHIN = 60.0
GRACE = 45.0
"""Seconds; as `deploy/kubernetes/worker.yaml` gives them."""
AVOIDED = 1.0
"""Seconds in which a client leaves an API alone that has not answered, as a balancer does."""


class Answer(NamedTuple):
    """To one request; `status` is 0 where there was none. Times are seconds."""

    at: float
    took: float
    what: str
    status: int

    @property
    def failed(self) -> bool:
        return self.status == 0 or self.status >= 500


@dataclass
class Fleet:
    """The product's processes, by name: `api-1`, `worker-2`."""

    processes: Processes
    env: dict[str, str]
    ports: dict[str, int] = field(default_factory=dict)
    cpu: Counter[str] = field(default_factory=Counter)
    """Seconds of processors that those which have ended had used, by `api` and `worker`."""
    queues: dict[str, str] = field(default_factory=dict)
    """What each worker serves, as `PLIXO_QUEUES` says it."""
    _running: dict[str, Child] = field(default_factory=dict)

    def names(self, part: str) -> list[str]:
        return [name for name in self.ports if name.startswith(part)]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    async def start(self, name: str) -> None:
        """Returns when it is ready."""
        port = self.ports.setdefault(name, free_port())
        part = name.partition("-")[0]
        own = (
            {"PLIXO_API_PORT": str(port)}
            if part == "api"
            else {"PLIXO_HEALTH_PORT": str(port), "PLIXO_QUEUES": self.queues[name]}
        )
        child = await self.processes.start(name, [sys.executable, "-m", part], self.env | own)
        self._running[name] = child
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            await self.processes.ready(child, self._answers(http, name), READY_WITHIN)

    def _answers(self, http: httpx.AsyncClient, name: str) -> Callable[[], Awaitable[bool]]:
        async def answers() -> bool:
            try:
                return (await http.get(f"{self.url(name)}/readyz")).status_code == 200
            except httpx.HTTPError:
                return False

        return answers

    async def stop(self, name: str) -> float:
        """As a deployment does, by SIGTERM; how many seconds it took. Fails where it had to be killed."""
        child = self._gone(name)
        began = time.monotonic()
        await self.processes.end(child, within=GRACE)
        took = time.monotonic() - began
        assert took < GRACE, f"{name} does not end\n{child.tail()}"
        # The API ends in order and then by the signal itself, as uvicorn has it.
        assert child.process.returncode in (0, -signal.SIGTERM), child.tail()
        return took

    async def kill(self, name: str) -> None:
        """SIGKILL: nothing gets to clean up."""
        child = self._gone(name)
        child.process.kill()
        await self.processes.end(child)

    def used(self) -> Counter[str]:
        """Seconds of processors, of those that run and of those that have ended."""
        return self.cpu + Counter(
            {
                part: sum(_cpu(self._running[name]) for name in self._running if name.startswith(part))
                for part in ("api", "worker")
            }
        )

    def _gone(self, name: str) -> Child:
        child = self._running.pop(name)
        self.cpu[name.partition("-")[0]] += _cpu(child)  # type: ignore[assignment]
        return child


def _cpu(child: Child) -> float:
    times = psutil.Process(child.pid).cpu_times()
    return times.user + times.system


@dataclass
class LoadStage(Stage):
    """Its people go on to the other API when one does not answer."""

    fleet: Fleet
    postgres: Pair
    answers: list[Answer] = field(default_factory=list)
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)
    _avoided: dict[str, float] = field(default_factory=dict)

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        now = time.time()
        every = self.fleet.names("api")
        name = (here := [one for one in every if self._avoided.get(one, 0.0) < now] or every)[
            next(self._turns) % len(here)
        ]
        answer = await super().request(method, f"{self.fleet.url(name)}{path}", **more)
        what = "page" if path.startswith(("/console", "/portal")) else method
        status = 0 if answer is None else answer.status_code
        self.answers.append(Answer(now, time.time() - now, what, status))
        if answer is None:
            self._avoided[name] = time.time() + AVOIDED
        return answer

    def logs(self) -> str:
        ends = [child.tail() for child in self.fleet.processes.running]
        return "\n".join((super().logs(), *ends))


@asynccontextmanager
async def staged(folder: Path, workers: Sequence[str]) -> AsyncIterator[LoadStage]:
    """Everything runs, with a worker for each of these (the queues that it serves), until the block ends."""
    policy = folder / "policy.toml"
    policy.write_text(restated(HURRIED), encoding="utf-8")
    logs = folder / "fleet"
    logs.mkdir()
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(postgres_pair())
        info = await stack.enter_async_context(stack_in(folder, "--without", "api,worker"))
        told = json.loads(info.read_text())
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PLIXO_")}
        env = (
            clean
            | told["env"]
            | {
                "PLIXO_DATABASE_URL": postgres.url,
                "PLIXO_POLICY_FILE": str(policy),
                "PYTHONPATH": str(ROOT),
            }
        )
        del env["PLIXO_API_METRICS_PORT"]  # one port is not for two
        processes = Processes(cwd=folder, logs=logs)
        stack.push_async_callback(processes.stop, (), GRACE)
        queues = {f"worker-{n}": served for n, served in enumerate(workers, 1)}
        fleet = Fleet(processes, env, {"api-1": int(env["PLIXO_API_PORT"])}, queues=queues)
        python = [sys.executable, "-m"]
        await processes.finish("migrate", [*python, "db", "upgrade"], env)
        organization = str(Path(told["data_dir"]) / "organization.json")
        await processes.finish("provision", [*python, "worker.provision", organization], env)
        await asyncio.gather(*map(fleet.start, [*(f"api-{n + 1}" for n in range(APIS)), *queues]))
        records = Database(postgres.url)
        stack.push_async_callback(records.dispose)
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30, trust_env=False))
        stand_in = await stack.enter_async_context(
            httpx.AsyncClient(base_url=told["stripe"], timeout=60, trust_env=False)
        )
        yield LoadStage(told, folder, http, stand_in, stripe_of(told), records, fleet, postgres)
