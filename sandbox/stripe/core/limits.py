"""Refusals for load: requests a second, and one writer at a time for each object.

Source: https://docs.stripe.com/rate-limits. The limiter runs before anything executes; a lock timeout
carries no Request-Id and no Stripe-Rate-Limited-Reason.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

from .errors import StripeError

REASONS = ("global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific")
SEARCHES_PER_SECOND = 20
NAMED_OBJECTS = (
    *("customer", "subscription", "invoice", "payment_intent", "charge"),
    *("from_subscription", "schedule", "test_clock"),
)
"""Body parameters that name an object which the request works on."""


def rate_limited(reason: str = "global-rate") -> StripeError:
    """429 of the limiter."""
    return StripeError(
        429,
        "invalid_request_error",
        "Request rate limit exceeded. Learn more about rate limits at https://docs.stripe.com/rate-limits.",
        code="rate_limit",
        saved=False,
        headers={"Stripe-Rate-Limited-Reason": reason},
    )


def lock_timeout() -> StripeError:
    """429 of an object that another request is working on; the SDK may retry it."""
    message = (
        "This object cannot be accessed right now because another API request or Stripe process is currently "
        "accessing it. If you see this error intermittently, retry the request. If you see this error "
        "frequently and are making multiple concurrent requests to a single object, make your requests "
        "serially or at a lower rate."
    )
    headers = {"Stripe-Should-Retry": "true"}
    return StripeError(
        429, "invalid_request_error", message, code="lock_timeout", saved=False, headers=headers
    )


class RateLimit:
    """At most so many requests in any second, of all endpoints and of each; None: no limit.

    Stripe lets a sandbox do 25 a second, each endpoint 25, and search 20.
    """

    def __init__(self) -> None:
        self.per_second: int | None = None
        self.per_endpoint: int | None = None
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self) -> None:
        """Count a request, or raise 429 with the reason global-rate."""
        self._count("", self.per_second, "global-rate")

    def admit_to(self, method: str, path: str) -> None:
        """Count a request to an endpoint, or raise 429 with the reason endpoint-rate."""
        limit = self.per_endpoint
        if limit is not None and path.endswith("/search"):
            limit = min(limit, SEARCHES_PER_SECOND)
        self._count(f"{method} {path}", limit, "endpoint-rate")

    def _count(self, what: str, limit: int | None, reason: str) -> None:
        if limit is None:
            return
        now, recent = time.monotonic(), self._recent[what]
        while recent and now - recent[0] >= 1.0:
            recent.popleft()
        if len(recent) >= limit:
            raise rate_limited(reason)
        recent.append(now)


class ObjectLocks:
    """Which objects a request that is being held up works on."""

    def __init__(self) -> None:
        self.wait_seconds = 0.25
        self._held: dict[str, asyncio.Event] = {}

    async def acquire(self, ids: Iterable[str]) -> None:
        """Hold all the ids, after waiting for those who have them; raises 429 `lock_timeout`."""
        wanted = set(ids)
        deadline = asyncio.get_running_loop().time() + self.wait_seconds
        while busy := [self._held[id] for id in wanted if id in self._held]:
            try:
                async with asyncio.timeout_at(deadline):
                    await busy[0].wait()
            except TimeoutError:
                raise lock_timeout() from None
        self._held.update(dict.fromkeys(wanted, asyncio.Event()))

    def busy(self, ids: Iterable[str]) -> bool:
        """Whether one of the ids is held."""
        return bool(self._held) and any(id in self._held for id in ids)

    def release(self, ids: Iterable[str]) -> None:
        """Give the ids back and wake those who wait."""
        for id in set(ids):
            event = self._held.pop(id, None)
            if event is not None:
                event.set()


def ids_in(path: dict[str, str], params: dict[str, Any]) -> list[str]:
    """The objects that a request works on: those in its URL and those its parameters name."""
    named = (params.get(name) for name in NAMED_OBJECTS)
    return [*path.values(), *(id for id in named if isinstance(id, str) and id)]
