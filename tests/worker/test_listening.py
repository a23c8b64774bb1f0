"""The loop that looks for what is due ends when it is told to, whatever it hears in that moment."""

import asyncio
from pathlib import Path

import pytest

from db.core.session import Database
from worker.listening import ListeningLoop


@pytest.mark.parametrize("turns", range(6))
async def test_it_ends_though_something_is_written_in_the_same_moment(turns: int, tmp_path: Path) -> None:
    """So many turns of the event loop before it is told to end."""
    loop = ListeningLoop(Database(f"sqlite:///{tmp_path}/none.db"), "anything", ())
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()

    task = asyncio.create_task(loop.run(look))
    await looked.wait()
    await asyncio.sleep(0.01)  # it waits by now
    loop.again()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    _, goes_on = await asyncio.wait([task], timeout=3)
    task.cancel()
    assert not goes_on
