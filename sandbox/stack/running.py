"""Runs something on the embedded stack and always ends the stack after it."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path

from .places import Part, Places
from .processes import StackFailed
from .stack import Stack

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Work = Callable[[Stack], Awaitable[None]]


@contextlib.contextmanager
def places(data_dir: Path | None) -> Iterator[Places]:
    """The data directory, or a temporary one that is removed at the end. Raises DataDirectoryInUse."""
    root = data_dir or Path(tempfile.mkdtemp(prefix="plixo-"))
    try:
        with contextlib.closing(Places(root)) as found:
            yield found
    finally:
        if data_dir is None:
            shutil.rmtree(root, ignore_errors=True)


async def run(places: Places, without: Collection[Part], work: Work, policy: Path | None = None) -> None:
    """Start the stack, do the work, stop the stack: also after a signal, which ends the work early.

    Raises StackFailed when a part does not start or dies, and whatever the work raises.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, told.set)
    stack = Stack(places, without, policy)
    try:
        await _first_of(told.wait(), _started(stack, work))
    finally:
        await stack.stop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _started(stack: Stack, work: Work) -> None:
    try:
        await stack.start()
    except* StackFailed as failures:
        # One part's failure cancels the others' start: the first is the cause.
        raise failures.exceptions[0] from None
    await _first_of(stack.trouble(), work(stack))


async def _first_of(*works: Awaitable[object]) -> None:
    """Wait for whichever ends first, and cancel the others. Raises what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
