"""How many requests one API key may send."""

import math
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from .problems import ApiProblem

DEFAULT_RATE = "100/second"


class Rates:
    """A moving window a key, in the memory of this process: several API processes allow so much each."""

    def __init__(self, rate: str = DEFAULT_RATE) -> None:
        self._item: RateLimitItem = parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def hit(self, key: str) -> None:
        """Count one request; raises ApiProblem `rate_limited` beyond the limit."""
        if await self._limiter.hit(self._item, key):
            return
        resets_at, _ = await self._limiter.get_window_stats(self._item, key)
        wait = max(1, math.ceil(resets_at - time.time()))
        detail = f"This API key sends more than {self._item}; wait as Retry-After says."
        raise ApiProblem("rate_limited", detail, headers={"Retry-After": str(wait)})
