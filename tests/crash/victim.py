"""The worker process of a lane: killed by a plan, and started again without being asked."""

import asyncio
import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from .plan import Kill
from .worker import live

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.crash.warm"])
"""A worker's life begins with its modules loaded: most of the time to start one goes into that."""


@dataclass
class Victim:
    settings: dict[str, str]
    log: Path
    deaths: int = 0
    """Planned ones, since the last plan."""
    unplanned: list[int | None] = field(default_factory=list)
    _kills: list[Kill] = field(default_factory=list)
    _struck: asyncio.Event = field(default_factory=asyncio.Event)
    """All that was planned has happened."""
    _may_live: asyncio.Event = field(default_factory=asyncio.Event)
    _process: ForkServerProcess | None = None
    _orders: "Connection[str | None, str] | None" = None
    _keeper: asyncio.Task[None] | None = None
    _wanted: bool = True

    async def start(self) -> None:
        """Starts it, with nothing planned."""
        self.revive()
        self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def plan(self, kills: Sequence[Kill]) -> None:
        """The life that is has the first kill, the next one the second, and so on; then there are none."""
        self.deaths = 0
        self._kills = list(kills[1:])
        self._struck = asyncio.Event()
        if not kills:
            self._struck.set()
        await self._order(kills[0] if kills else None)

    def rest_in_peace(self) -> None:
        """It stays dead after its next death, until it is revived."""
        self._may_live.clear()

    def revive(self) -> None:
        self._may_live.set()

    async def struck(self) -> None:
        """Returns when all planned deaths have been died."""
        await self._struck.wait()

    async def spare(self, within: float) -> None:
        """What is still planned is off, but for what strikes within so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.struck(), within)
        self._kills = []
        await self._order(None)

    def kill(self) -> None:
        """At this very moment, whatever it is doing; it is started again."""
        assert self._process is not None
        self._process.kill()

    async def stop(self) -> None:
        """Ends it for good."""
        self._wanted = False
        if self._process is not None:
            self._process.kill()
        if self._keeper is not None:
            await self._keeper

    async def _order(self, kill: Kill | None) -> None:
        """Returns when it has understood, or is dead."""
        assert self._process is not None
        assert self._orders is not None
        process, orders = self._process, self._orders
        try:
            orders.send(kill.model_dump_json() if kill is not None else None)
            await _readable(orders.fileno())
            orders.recv()
        except (EOFError, ConnectionError):
            if kill is not None:
                raise AssertionError(f"the worker {process.pid} had died before its plan") from None

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            assert self._orders is not None
            await _readable(self._process.sentinel)
            self._process.join()
            self._orders.close()
            code = self._process.exitcode
            if not self._wanted:
                return
            if code != -signal.SIGKILL:
                self.unplanned.append(code)
                return
            self.deaths += 1
            if not self._kills:
                self._struck.set()
            await self._may_live.wait()
            self._spawn()

    def _spawn(self) -> None:
        kill = self._kills.pop(0).model_dump_json() if self._kills else None
        self._orders, theirs = FORKS.Pipe()
        self._process = FORKS.Process(
            target=live, args=(self.settings, kill, str(self.log), theirs), daemon=True
        )
        self._process.start()
        theirs.close()


async def _readable(descriptor: int) -> None:
    """Waits until there is something to read, which the end of a process is too, by its sentinel."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(descriptor, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(descriptor)
