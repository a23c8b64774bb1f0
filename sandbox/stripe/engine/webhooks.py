"""Signed webhooks to one endpoint: delivered at least once, retried, and made unruly on request.

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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import stripe
from pydantic_core import from_json, to_json

from ..core.store import EventRow, Record

log = logging.getLogger(__name__)

Mode = Literal["normal", "duplicate", "reorder", "hold", "drop"]

CONCURRENT = 8
TIMEOUT_SECONDS = 20.0
FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 5.0
REORDER_SECONDS = 0.3
GIVE_UP_AFTER = 2000
"""Attempts; with the longest pause between them this is nearly three hours."""


@dataclass(slots=True)
class Delivery:
    """An event on its way."""

    row: EventRow
    attempts: int = 0


@dataclass
class Endpoint:
    """Where events go. `events` filters by type; None: all of them."""

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

    def __init__(self, journal: Callable[[list[Record]], None]) -> None:
        self.endpoint = Endpoint()
        self.counts = Counts()
        self._journal = journal
        self._pending: dict[str, Delivery] = {}
        self._queue: list[Delivery] = []
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(CONCURRENT)

    # -- what the engine calls ---------------------------------------------------------------------

    def wanted(self, events: Iterable[EventRow]) -> list[EventRow]:
        """Those that the endpoint wants; none when there is no endpoint or it is in mode drop."""
        if self.endpoint.url is None:
            return []
        types = self.endpoint.events
        wanted = [row for row in events if types is None or row.type in types]
        if self.endpoint.mode == "drop":
            self.counts.dropped += len(wanted)
            return []
        return wanted

    def enqueue(self, rows: Iterable[EventRow]) -> None:
        """Queue committed events for delivery."""
        for row in rows:
            delivery = self._pending[row.id] = Delivery(row)
            self._queue.append(delivery)
            self._wake.set()

    def pending(self, event_id: str) -> bool:
        """Whether the event still has to be delivered."""
        return event_id in self._pending

    def pending_count(self) -> int:
        """How many events still have to be delivered."""
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
        yield from (("delivery", id, b"true") for id in self._pending)

    def forget(self) -> None:
        """Drop everything pending and go back to normal."""
        self._queue.clear()
        self._pending.clear()
        self.counts = Counts()
        self.endpoint.mode = "normal"
        self.endpoint.events = None

    # -- the task ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver for as long as the stand-in runs."""
        await self._wake.wait()  # a client takes its time to make, and many a stand-in has nobody to tell
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
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
                if delivery.row.id not in self._pending:  # forgotten by a reset meanwhile
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
            delivered = all([await self._post(client, delivery.row) for _ in range(times)])
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

    async def _post(self, client: httpx.AsyncClient, row: EventRow) -> bool:
        url = self.endpoint.url
        if url is None:
            return True
        body = row.body.replace(b'"pending_webhooks":0', b'"pending_webhooks":1', 1)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": stripe.WebhookSignature.generate_signature_header(
                body.decode(), self.endpoint.secret
            ),
        }
        try:
            answer = await client.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self.counts.last_error = repr(error)
            return False
        if not answer.is_success:
            self.counts.last_error = f"HTTP {answer.status_code}"
        return answer.is_success

    def _again(self, delivery: Delivery) -> None:
        if delivery.row.id in self._pending:
            self._queue.append(delivery)
            self._wake.set()

    def _settle(self, delivery: Delivery) -> None:
        if self._pending.pop(delivery.row.id, None) is not None:
            self._journal([("delivery", delivery.row.id, None)])
