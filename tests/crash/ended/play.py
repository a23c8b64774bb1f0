"""Many operations, so many at a time."""

import asyncio
from collections.abc import Iterable

from . import Part
from .acting import Acting
from .theatre import Theatre

AT_A_TIME = 12


async def play(stage: Theatre, parts: Iterable[Part]) -> None:
    """All of them, so many at a time; what goes wrong is in `failures`."""
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(part: Part) -> None:
        async with places:
            acting = Acting(stage, part)
            try:
                await acting.act()
            except Exception as error:
                told = await acting.told()
                stage.failures.append(f"{part}\n  {type(error).__name__}: {error}\n  {told}")
                print(stage.failures[-1], flush=True)
            stage.played += 1
            stage.struck += acting.struck

    await asyncio.gather(*map(one, parts))
