"""An answer that is made at most once a second, however many ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

FOR = 1.0
"""Seconds that an answer is given for."""


class Lately(Generic[Answer]):
    """What costs a look at the world and is open to whoever asks: strangers must not be able to load us."""

    def __init__(
        self,
        make: Callable[[], Awaitable[Answer]],
        keep: float = FOR,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._keep, self._clock = make, keep, clock
        self._lock = asyncio.Lock()
        self._answer: tuple[float, Answer] | None = None

    async def get(self) -> Answer:
        """The last answer while it is fresh; those who come while one is being made get that one."""
        async with self._lock:
            if self._answer is None or self._clock() - self._answer[0] > self._keep:
                made = await self._make()
                self._answer = (self._clock(), made)
            return self._answer[1]
