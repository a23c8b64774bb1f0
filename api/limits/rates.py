"""How many requests one API key may send, and how much else may happen in a second."""

import math
import time
from collections.abc import Callable

from ..problems.problem import ApiProblem
from .problems import RATE_LIMITED

DEFAULT_RATE = 100.0
"""Requests a second."""


class Rates:
    """So many a second for each key, with a burst of so many seconds' worth; each API process allows so much.

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

    def hit(self, key: str) -> None:
        """Count one request; raises ApiProblem `rate_limited` beyond the rate, and does not count it then."""
        ahead = self.wait(key)
        if ahead:
            detail = f"This API key is limited to {self._a_second:g} requests per second; try again later."
            raise ApiProblem(RATE_LIMITED, detail, headers={"Retry-After": str(math.ceil(ahead))})

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
