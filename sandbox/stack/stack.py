"""The embedded stack: every part as a process of its own on loopback ports, seeded and ready to use."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from .places import LOOPBACK, NAMESPACE, ORGANIZATION, Part, Places, PortName
from .processes import Child, Processes, StackFailed
from .seed import Seeded, seed_stripe

ROOT = Path(__file__).resolve().parents[2]
START_WITHIN = 30.0
"""Seconds that one part may take to answer before the stack gives up."""

WEBHOOKS = "/webhooks/stripe"

NAMESPACE_PAGE = f"/api/v1/namespaces/{NAMESPACE}"
"""Temporal's ports open before the namespace is there, so that is asked for."""

TEMPORAL_FLAGS = (
    *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
    # The stock dev server polls its queues 20 times a second: about 50 ms for every hop.
    *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
    *("--dynamic-config-value", "history.timerProcessorMaxPollRPS=2000"),
    # As in production (deploy/temporal/dynamicconfig.yaml): priorities need it.
    *("--dynamic-config-value", "matching.useNewMatcher=true"),
    *("--dynamic-config-value", "matching.enableFairness=true"),
    *("--dynamic-config-value", "matching.numTaskqueueReadPartitions=1"),
    *("--dynamic-config-value", "matching.numTaskqueueWritePartitions=1"),
    *("--log-level", "warn"),
)


@dataclass
class Stack:
    """Use: `await start()`, then `info()`, and `await stop()` in any case."""

    places: Places
    without: Collection[Part] = ()
    policy: Path | None = None
    """A policy file instead of that of the environment, or of the one that is shipped."""
    processes: Processes = field(init=False)
    seeded: Seeded | None = None
    sign_in_links: dict[str, str] = field(default_factory=dict)
    """By person: each signs its person in to the console, once."""

    def __post_init__(self) -> None:
        self.processes = Processes(cwd=self.places.root, logs=self.places.logs)
        self._http = httpx.AsyncClient(timeout=2.0, trust_env=False)

    @property
    def env(self) -> dict[str, str]:
        """The settings for a part that is started separately, by hand or by a test."""
        policy = self.policy or os.environ.get("PLIXO_POLICY_FILE")
        return {**self.places.env, **({"PLIXO_POLICY_FILE": str(Path(policy).resolve())} if policy else {})}

    def commands(self) -> dict[Part, list[str]]:
        """How each part is started, for those who start one themselves with `env`."""
        ports, file, python = self.places.ports, self.places.file, [sys.executable, "-m"]
        return {
            "temporal": [
                *(temporal_binary(), "server", "start-dev", "--ip", LOOPBACK),
                *("--port", str(ports["temporal"]), "--ui-port", str(ports["temporal_ui"])),
                *("--db-filename", str(file("temporal.db"))),
                *TEMPORAL_FLAGS,
            ],
            "stripe": [
                *(*python, "sandbox.stripe", "--port", str(ports["stripe"])),
                *("--data", str(file("stripe.jsonl"))),
                *("--webhook-url", f"{self.places.url('api')}{WEBHOOKS}"),
                *("--webhook-secret", self.places.memory.webhook_secret),
            ],
            "mail": [
                *(*python, "sandbox.stack.mail", "--smtp-port", str(ports["smtp"])),
                *("--http-port", str(ports["mail"]), "--data", str(file("mails.jsonl"))),
            ],
            "api": [*python, "api"],
            "worker": [*python, "worker"],
        }

    async def start(self) -> None:
        """Start and seed everything, in parallel where nothing waits for another. Raises StackFailed."""
        async with asyncio.TaskGroup() as parts:
            migrated = parts.create_task(self._python("migrate", "db", "upgrade"))
            seeded = parts.create_task(self._stripe())
            temporal = parts.create_task(self._part("temporal", self._gets("temporal_ui", NAMESPACE_PAGE)))
            parts.create_task(self._part("mail", self._gets("mail", "/messages")))
            parts.create_task(self._product(migrated, temporal))
            parts.create_task(self._provision(migrated, seeded))
        if "stripe" in self.without:
            # It ran in any case: whoever starts it later must find the seeded data in its file.
            await self.processes.end(seeded.result())

    async def trouble(self) -> None:
        """Wait until a part ends that nobody stopped. Raises StackFailed, with what its log ends with."""
        child = await self.processes.first_death()
        raise child.failure(f"ended unexpectedly with {child.process.returncode}")

    async def stop(self) -> None:
        """End every process: first those that would complain about the others' end."""
        await self._http.aclose()
        await self.processes.stop(("api", "worker"))

    def info(self) -> dict[str, Any]:
        """Where everything is, as `--info FILE` tells it."""
        assert self.seeded is not None, "info is asked for after start"
        url = self.places.url
        return {
            "api": url("api"),
            "console": f"{url('api')}/console/",
            "stripe": url("stripe"),
            "temporal": self.places.address("temporal"),
            "temporal_ui": url("temporal_ui"),
            "mail": url("mail"),
            "figures": f"{url('figures')}/metrics",
            "env": self.env,
            "people": {
                role: {
                    "person": person.person,
                    "name": person.name,
                    "api_key": person.api_key,
                    "sign_in": self.sign_in_links[person.person],
                }
                for role, person in self.places.memory.people.items()
            },
            "organization": ORGANIZATION,
            "example": self.seeded.example.model_dump(),
            "commands": self.commands(),
            "data_dir": str(self.places.root),
        }

    async def _product(self, migrated: Awaitable[None], temporal: Awaitable[None]) -> None:
        await migrated
        await temporal
        async with asyncio.TaskGroup() as both:
            both.create_task(self._part("api", self._gets("api", "/readyz")))
            both.create_task(self._part("worker", self._worker_answers))

    async def _stripe(self) -> Child:
        child = await self._run("stripe", self._gets("stripe", "/_sandbox/healthz"))
        self.seeded = await seed_stripe(self.places)
        return child

    async def _provision(self, migrated: Awaitable[None], seeded: Awaitable[object]) -> None:
        await migrated
        await seeded
        await self._python("provision", "worker.provision", str(self.places.file("organization.json")))
        await self._make_sign_in_links()

    async def _make_sign_in_links(self) -> None:
        people = [person.person for person in self.places.memory.people.values()]
        command = ("sign-in-link", *people, "--because", "The stack was started.", "--minutes", "1440")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker.people", *command),
            cwd=self.places.root,
            env=self._child_env(),
            stdout=asyncio.subprocess.PIPE,  # and into no log
            stderr=asyncio.subprocess.PIPE,
        )
        told, complaint = await process.communicate()
        if process.returncode != 0:
            raise StackFailed(f"no sign-in links could be made: {complaint.decode().strip()}")
        self.sign_in_links = dict(line.split("\t") for line in told.decode().splitlines())

    async def _part(self, part: Part, answers: Callable[[], Awaitable[bool]]) -> None:
        if part not in self.without:
            await self._run(part, answers)

    async def _run(self, part: Part, answers: Callable[[], Awaitable[bool]]) -> Child:
        child = await self.processes.start(part, self.commands()[part], self._child_env(part))
        await self.processes.ready(child, answers, START_WITHIN)
        return child

    async def _python(self, name: str, *args: str) -> None:
        await self.processes.finish(name, [sys.executable, "-m", *args], self._child_env())

    def _child_env(self, part: Part | None = None) -> dict[str, str]:
        """The machine's environment without any setting of Plixo but those of this stack."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("PLIXO_", "TEMPORAL_"))
        }
        health = {"PLIXO_HEALTH_PORT": str(self.places.ports["worker"])} if part == "worker" else {}
        return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self.env, **health}

    def _gets(self, port: PortName, path: str) -> Callable[[], Awaitable[bool]]:
        async def answers() -> bool:
            try:
                return (await self._http.get(self.places.url(port) + path)).is_success
            except httpx.HTTPError:
                return False

        return answers

    async def _worker_answers(self) -> bool:
        """Without Temporal it can't be ready; it starts all the same, and waits for it."""
        return "temporal" in self.without or await self._gets("worker", "/healthz")()


def temporal_binary() -> str:
    """The `temporal` command of the environment that this runs in. Raises StackFailed without one."""
    beside = Path(sys.executable).parent
    found = shutil.which("temporal", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise StackFailed("the temporal command is missing; run make setup, which installs it")
    return found
