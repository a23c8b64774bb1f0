"""How many requests one API key may send, and how much else may happen in a second."""

import math
import time
from collections.abc import Callable

from .problems import ApiProblem

DEFAULT_RATE = 100.0
"""Requests a second."""


class Rates:
    """So many a second for each key, with a burst of one second's worth; each API process allows so much.

    The generic cell rate algorithm: one number a key, the time at which its past requests would have been
    spread out evenly. (The memory storages of the `limits` package visit every key, on another thread, for
    every request.) Only keys that exist are counted, so their number bounds the memory.
    """

    def __init__(self, a_second: float = DEFAULT_RATE, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = a_second
        self._clock = clock
        self._spread_until: dict[str, float] = {}

    def hit(self, key: str) -> None:
        """Count one request; raises ApiProblem `rate_limited` beyond the rate."""
        wait = self._count(key)
        if wait:
            detail = f"This API key sends more than {self._a_second:g} a second; wait as Retry-After says."
            raise ApiProblem("rate_limited", detail, headers={"Retry-After": str(math.ceil(wait))})

    def within(self, key: str) -> bool:
        """Count one, unless it is beyond the rate."""
        return not self._count(key)

    def _count(self, key: str) -> float:
        """Seconds until one more would be within the rate; 0 when this one is, and is counted."""
        now = self._clock()
        spread_until = max(self._spread_until.get(key, now), now) + 1 / self._a_second
        ahead = spread_until - now - max(1.0, 1 / self._a_second)
        if ahead > 1e-9:
            return ahead
        self._spread_until[key] = spread_until
        return 0.0
