"""Child processes of the embedded stack: started, awaited until they answer, and ended by their own pid."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

POLL_EVERY = 0.03
TAIL_LINES = 25
PR_SET_PDEATHSIG = 1

# Loaded before any fork: between fork and exec a child must not import or load anything.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StackFailed(Exception):
    """A part of the stack did not start or died; the message says which, and what its log ends with."""


@dataclass
class Child:
    """A running process, its log file and its name for people."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def failure(self, what: str) -> StackFailed:
        return StackFailed(f"{self.name} {what}. {self.tail()}")

    def tail(self) -> str:
        """What its log ends with, for people."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        end = "\n".join(f"    {line}" for line in lines) or "    (it is empty)"
        return f"The end of {self.log}:\n{end}"


@dataclass
class Processes:
    """Starts children in `cwd` with logs in `logs`; ends all that it started."""

    cwd: Path
    logs: Path
    running: list[Child] = field(default_factory=list)

    async def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start a child that runs until it is stopped; its output goes to `logs/NAME.log`."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=self.cwd,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # Ctrl-C goes to the parent alone, which then ends the children in order.
                start_new_session=True,
                preexec_fn=_dies_with(os.getpid()),
            )
        child = Child(name, process, log)
        self.running.append(child)
        return child

    async def finish(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Run a child to its end. Raises StackFailed unless it ends with 0."""
        child = await self.start(name, argv, env)
        code = await child.process.wait()
        self.running.remove(child)
        if code != 0:
            raise child.failure(f"ended with {code}")

    async def ready(self, child: Child, answers: Callable[[], Awaitable[bool]], within: float) -> None:
        """Wait until the child answers. Raises StackFailed if it dies first or stays silent."""
        deadline = time.monotonic() + within
        while not await answers():
            if child.process.returncode is not None:
                raise child.failure(f"ended with {child.process.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise child.failure(f"did not answer within {within:g} seconds")
            await asyncio.sleep(POLL_EVERY)

    async def first_death(self) -> Child:
        """Wait until a child ends by itself, and return it."""
        if not self.running:
            await asyncio.Event().wait()
        ends = {asyncio.ensure_future(child.process.wait()): child for child in self.running}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        return ends[done.pop()]

    async def stop(self, order: Sequence[str], within: float = 4.0) -> None:
        """End the children named in `order` one after another, then all the others together."""
        for name in order:
            await self.end(*(child for child in self.running if child.name == name), within=within)
        await self.end(*self.running, within=within)

    async def end(self, *children: Child, within: float = 4.0) -> None:
        """End children: asked at first, and killed after `within` seconds."""
        for child in children:
            _signal(child, signal.SIGTERM)
        waits = [asyncio.ensure_future(child.process.wait()) for child in children]
        if waits:
            await asyncio.wait(waits, timeout=within)
        for child in children:
            _signal(child, signal.SIGKILL)
            await child.process.wait()
            self.running.remove(child)


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(number)


def _dies_with(parent: int) -> Callable[[], None] | None:
    """On Linux the kernel kills the child when the parent is gone, even by `kill -9`."""
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return before_exec
