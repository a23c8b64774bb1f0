"""How many requests one API key may send, and how much else may happen in a second."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from db.core import paces
from db.core.session import Database

from ..problems.problem import ApiProblem
from .problems import RATE_LIMITED

DEFAULT_RATE = 100.0
"""Requests a second."""


class Rates:
    """So many a second for each key, with a burst of so many seconds' worth, in this process.

    The generic cell rate algorithm: one number a key, the time at which its past requests would have been
    spread out evenly. (The memory storages of the `limits` package visit every key, on another thread, for
    every request.) Only keys that exist are counted, so their number bounds the memory.
    """

    def __init__(
        self,
        a_second: float = DEFAULT_RATE,
        clock: Callable[[], float] = time.monotonic,
        burst: float = 1.0,
    ) -> None:
        """So many seconds' worth may come at once as `burst` says."""
        self._a_second = a_second
        self._clock = clock
        self._burst = max(burst, 1 / a_second)
        self._spread_until: dict[str, float] = {}

    def wait(self, key: str) -> float:
        """Count one request: 0.0. Beyond the rate it isn't counted, and comes so many seconds too early."""
        now = self._clock()
        spread_until, ahead = self._one_more(key, now)
        if ahead > 1e-9:
            return ahead
        self._spread_until[key] = spread_until
        return 0.0

    def calm(self, key: str) -> bool:
        """Count one, and whether it is within the rate. Those beyond it count too: while more come than
        that, none is, and for a second afterwards."""
        now = self._clock()
        spread_until, ahead = self._one_more(key, now)
        self._spread_until[key] = min(spread_until, now + 2.0)
        return ahead <= 1e-9

    def _one_more(self, key: str, now: float) -> tuple[float, float]:
        """Until when all would be spread out evenly with one more, and how far that is beyond the rate."""
        spread_until = max(self._spread_until.get(key, now), now) + 1 / self._a_second
        return spread_until, spread_until - now - self._burst


LEASED_FOR = 10.0
"""Seconds for which a process may use what it has taken of a key's rate."""
BLOCK = 0.2
"""Seconds' worth of a key's rate that a process takes at a time."""
FREE = 0.01
"""The part of a key's rate that each process gives without asking: most keys never need more."""
BURST = 2.0
"""Seconds' worth that may come at once over all processes; what they have taken and not used included."""


@dataclass
class _Lease:
    """What a process has of a key's rate."""

    until: float
    left: int
    refused_until: float = 0.0
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeyRates:
    """So many requests a second for each API key, over all processes.

    Each takes what it needs of a key's rate in blocks, so that few requests wait for the database: none of a
    key that sends a request a second, every twentieth of one that sends as many as it may.
    """

    def __init__(
        self,
        database: Database,
        a_second: float = DEFAULT_RATE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._a_second = a_second
        self._clock = clock
        self._here = Rates(a_second, clock)
        self._block = max(1, round(a_second * BLOCK))
        self._free = max(1, round(a_second * LEASED_FOR * FREE))
        self._burst = max(BURST, 2 * self._block / a_second)
        self._leases: dict[str, _Lease] = {}

    async def hit(self, key: str) -> None:
        """Count one request; raises ApiProblem `rate_limited` beyond the rate, and does not count it then."""
        if ahead := self._here.wait(key):
            raise self._refused(ahead)
        lease = self._leases.get(key)
        if lease is None or self._clock() >= lease.until:
            lease = self._leases[key] = _Lease(self._clock() + LEASED_FOR, self._free)
        if lease.left < 1:
            async with lease.taking:
                await self._fill(key, lease)
        lease.left -= 1

    async def _fill(self, key: str, lease: _Lease) -> None:
        if lease.left > 0:
            return  # somebody else has, in the meantime
        if (ahead := lease.refused_until - self._clock()) > 0:
            raise self._refused(ahead)
        async with self._database.statement() as session:
            cost = self._block / self._a_second
            ahead = await paces.take(session, f"requests {key}", cost=cost, burst=self._burst)
        if ahead:
            lease.refused_until = self._clock() + ahead
            lease.until = max(lease.until, lease.refused_until)
            raise self._refused(ahead)
        lease.left += self._block

    def _refused(self, ahead: float) -> ApiProblem:
        detail = f"This API key is limited to {self._a_second:g} requests per second; try again later."
        return ApiProblem(RATE_LIMITED, detail, headers={"Retry-After": str(math.ceil(ahead))})
