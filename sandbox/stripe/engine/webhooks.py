"""Signed webhooks to every endpoint: delivered at least once, retried, and made unruly on request.

    normal     delivered in order of events, several under way at a time
    duplicate  every event delivered twice
    reorder    events of a short while delivered newest first
    hold       kept until another mode is set
    drop       thrown away (they stay in GET /v1/events)

Signature: https://docs.stripe.com/webhooks#verify-manually. Its time is the machine's, not the stand-in's
clock, since the receiver checks it against its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from ssl import SSLContext
from typing import Any, Literal

import httpx
import stripe
from pydantic_core import from_json, to_json

from ..core.store import EventRow, Record
from ..events.targets import Target

log = logging.getLogger(__name__)

Mode = Literal["normal", "duplicate", "reorder", "hold", "drop"]

CONCURRENT = 8
TIMEOUT_SECONDS = 20.0
FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 5.0
REORDER_SECONDS = 0.3
GIVE_UP_AFTER = 2000
"""Attempts; with the longest pause between them this is nearly three hours."""


@cache
def _authorities() -> SSLContext:
    """Whom an address has to be vouched for by: takes its time to read, and is of every stand-in the same."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(slots=True)
class Delivery:
    """An event on its way to one target."""

    row: EventRow
    target: str
    attempts: int = 0

    @property
    def key(self) -> str:
        """By which the journal knows it."""
        return f"{self.row.id}@{self.target}"


@dataclass
class Endpoint:
    """Where events go besides: an address of the stand-in's own settings, which is no object.

    `events` filters by type; None: all of them. `mode` is that of all deliveries.
    """

    url: str | None = None
    secret: str = "whsec_sandbox"
    mode: Mode = "normal"
    events: list[str] | None = None


@dataclass
class Counts:
    """What became of the deliveries so far."""

    delivered: int = 0
    failed_attempts: int = 0
    dropped: int = 0
    last_error: str | None = field(default=None)


class Webhooks:
    """The queue of events to deliver and the task that works it off."""

    def __init__(
        self,
        journal: Callable[[list[Record]], None],
        targets: Callable[[], Iterable[Target]],
        body_for: Callable[[EventRow, Target, int], bytes],
        account_version: Callable[[], str],
    ) -> None:
        self.endpoint = Endpoint()
        self.counts = Counts()
        self._journal = journal
        self._objects = targets
        self._body_for = body_for
        self._account_version = account_version
        self._pending: dict[str, Delivery] = {}
        self._pending_of: Counter[str] = Counter()
        self._queue: list[Delivery] = []
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(CONCURRENT)

    # -- what the engine calls ---------------------------------------------------------------------

    def wanted(self, events: list[EventRow]) -> list[Delivery]:
        """What has to be delivered of these events; nothing in mode drop."""
        if not events:
            return []
        targets = list(self._targets())
        wanted = [Delivery(row, to.id) for row in events for to in targets if to.wants(row)]
        if self.endpoint.mode == "drop":
            self.counts.dropped += len(wanted)
            return []
        return wanted

    def enqueue(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries of committed events."""
        for delivery in deliveries:
            self._pending[delivery.key] = delivery
            self._pending_of[delivery.row.id] += 1
            self._queue.append(delivery)
            self._wake.set()

    def pending(self, event_id: str) -> int:
        """To how many targets the event still has to be delivered."""
        return self._pending_of[event_id]

    def pending_count(self) -> int:
        """How many deliveries there still are to make."""
        return len(self._pending)

    def configure(self, changes: dict[str, Any]) -> None:
        """Change url, secret, mode or events; a mode other than hold lets the queue go."""
        for name, value in changes.items():
            setattr(self.endpoint, name, value)
        self._journal([("setting", "webhooks", to_json(self.endpoint))])
        self._wake.set()

    def load_setting(self, body: bytes) -> None:
        """Take the endpoint's settings from the journal."""
        self.endpoint = Endpoint(**from_json(body))

    def dump(self) -> Iterator[Record]:
        """The journal's records of the settings and of what is pending."""
        yield "setting", "webhooks", to_json(self.endpoint)
        yield from (("delivery", key, b"true") for key in self._pending)

    def forget(self) -> None:
        """Drop everything pending and go back to normal."""
        self._queue.clear()
        self._pending.clear()
        self._pending_of.clear()
        self.counts = Counts()
        self.endpoint.mode = "normal"
        self.endpoint.events = None

    # -- the task ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver for as long as the stand-in runs."""
        await self._wake.wait()  # many a stand-in has nobody to tell
        async with httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, trust_env=False, verify=_authorities()
        ) as client:
            try:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    await self._work_off(client)
            finally:
                for task in self._under_way:
                    task.cancel()

    async def _work_off(self, client: httpx.AsyncClient) -> None:
        if self.endpoint.mode == "reorder" and self._queue:
            await asyncio.sleep(REORDER_SECONDS)
        while self._queue and self.endpoint.mode != "hold":
            batch, self._queue = self._queue, []
            if self.endpoint.mode == "reorder":
                batch.reverse()
            for delivery in batch:
                if self.endpoint.mode == "drop":
                    self._settle(delivery)
                    self.counts.dropped += 1
                    continue
                await self._slots.acquire()
                if delivery.key not in self._pending:  # forgotten by a reset meanwhile
                    self._slots.release()
                    continue
                if self.endpoint.mode == "reorder":  # one after the other, or their order would be anybody's
                    await self._deliver(client, delivery)
                    continue
                task = asyncio.create_task(self._deliver(client, delivery))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        times = 2 if self.endpoint.mode == "duplicate" else 1
        try:
            delivered = all([await self._post(client, delivery) for _ in range(times)])
        finally:
            self._slots.release()
        if delivered:
            self._settle(delivery)
            self.counts.delivered += 1
            return
        self.counts.failed_attempts += 1
        delivery.attempts += 1
        if delivery.attempts >= GIVE_UP_AFTER:
            self._settle(delivery)
            return
        pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(delivery.attempts - 1, 10))
        asyncio.get_running_loop().call_later(pause, self._again, delivery)

    async def _post(self, client: httpx.AsyncClient, delivery: Delivery) -> bool:
        target = next((one for one in self._targets() if one.id == delivery.target), None)
        if target is None:  # deleted or switched off meanwhile
            return True
        body = self._body_for(delivery.row, target, self.pending(delivery.row.id))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": stripe.WebhookSignature.generate_signature_header(
                body.decode(), target.secret
            ),
        }
        try:
            answer = await client.post(target.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self.counts.last_error = repr(error)
            return False
        if not answer.is_success:
            self.counts.last_error = f"HTTP {answer.status_code}"
        return answer.is_success

    def _again(self, delivery: Delivery) -> None:
        if delivery.key in self._pending:
            self._queue.append(delivery)
            self._wake.set()

    def _settle(self, delivery: Delivery) -> None:
        if self._pending.pop(delivery.key, None) is not None:
            self._pending_of[delivery.row.id] -= 1
            if not self._pending_of[delivery.row.id]:
                del self._pending_of[delivery.row.id]
            self._journal([("delivery", delivery.key, None)])

    def _targets(self) -> Iterator[Target]:
        if self.endpoint.url is not None:
            types = None if self.endpoint.events is None else frozenset(self.endpoint.events)
            yield Target("", self.endpoint.url, self.endpoint.secret, types, self._account_version())
        yield from self._objects()
