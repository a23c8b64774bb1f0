"""The stand-in as a whole: its state, and the one place where requests and timed work execute.

Everything runs in the event loop's thread. A unit of work is a transaction: it is committed to the journal
together with the answer kept under its idempotency key, then its events go to the webhooks.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import from_json, to_json

from ..core import conformance
from ..core.clock import Clock, TimedRunner
from ..core.errors import StripeError
from ..core.expansion import expand
from ..core.faults import FaultList
from ..core.idempotency import IdempotencyKeys, Saved
from ..core.kernel import Account, Ctx, Obj, Route, given_out
from ..core.limits import ObjectLocks, RateLimit, ids_in
from ..core.params import refuse_unseen
from ..core.persistence import Journal
from ..core.store import Record, Store
from ..core.test_time import tell_time
from ..events.targets import body_for, targets
from .webhooks import Delivery, Webhooks

log = logging.getLogger(__name__)

T = TypeVar("T")

REMEMBERED_REQUESTS = 100_000
TICK_SECONDS = 1.0
LISTS = (None, "list", "search_result")
"""What sorts out row by row, and may have had no row to ask; the lists of the second version have no name."""


@dataclass(slots=True)
class Executed:
    """The outcome of a request's execution."""

    status: int
    body: bytes
    done: bool
    """Whether its changes were kept."""


class Engine:
    """State and execution of one stand-in. `check` compares every answer with the SDK's annotations."""

    def __init__(
        self, *, data: Path | None = None, check: bool = False, api_keys: frozenset[str] = frozenset()
    ) -> None:
        self.check = check
        self.api_keys = api_keys
        self.permissions: dict[str, frozenset[str]] = {}
        """Of restricted keys, by the key."""
        self.account = Account()
        self.store = Store(strict=check)
        self.clock = Clock()
        self.idempotency = IdempotencyKeys()
        self.faults = FaultList()
        self.rate = RateLimit()
        self.locks = ObjectLocks()
        self.requests: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_REQUESTS)
        self.violations: list[dict[str, Any]] = []
        self._sequence = 0
        self._journal = Journal(data)
        self.webhooks = Webhooks(
            self._journal.append,
            lambda: targets(self.store, self.account),
            lambda row, target, pending: body_for(row, target, pending, self.store),
            lambda: self.account.api_version,
        )
        self.store.undelivered = self.webhooks.pending
        self.timed = TimedRunner(self.clock, self.store, self._perform_timed)
        self._load()

    # -- requests --------------------------------------------------------------------------------------

    def execute(
        self, route: Route, ctx: Ctx, print: str | None, instead: StripeError | None = None
    ) -> Executed:
        """Run a handler and keep what it did; `instead` is an answer that replaces what was done.

        `print` is the fingerprint under which the answer is kept for the idempotency key, if there is one.
        """
        self.timed.run_until(ctx.now)  # what is due this second happened before the request
        if route.method == "GET" and not self.check:
            return self._attempt(route, ctx, None)[0]
        self.store.begin()
        executed, kept = self._attempt(route, ctx, instead)
        try:
            self._settle(self._kept_answer(ctx, print, executed) if kept else [], keep=executed.done)
        except RuntimeError:  # the strict store found a change that was not put
            log.exception("%s %s failed", route.method, route.path)
            self.store.rollback()
            return Executed(500, to_json(api_error().body()), False)
        return executed

    def refuse(self, ctx: Ctx, print: str | None, error: StripeError) -> Executed:
        """Answer with an error as if executing had led to it, without executing."""
        executed = Executed(error.status, to_json(error.body()), False)
        self._journal.append(self._kept_answer(ctx, print, executed))
        return executed

    def _kept_answer(self, ctx: Ctx, print: str | None, executed: Executed) -> list[Record]:
        if print is None or not ctx.idempotency_key:
            return []
        saved = Saved(print, executed.status, executed.body, ctx.request_id, self.clock.now())
        return self.idempotency.save(ctx.idempotency_key, saved)

    def _attempt(self, route: Route, ctx: Ctx, instead: StripeError | None) -> tuple[Executed, bool]:
        """The outcome, and whether it is kept under the key."""
        try:
            tell_time(ctx, ids_in(ctx.path, ctx.params), writes=route.writes)
            answer = given_out(ctx, route.handler(ctx))
            if answer.get("object") not in LISTS:
                refuse_unseen(ctx.params)
            if wanted := ctx.params.get("expand"):
                expand(ctx, answer, wanted)
            if self.check:
                if ctx.downgrade is None:
                    self._check(answer, f"{route.method} {route.path}")
                self._check_new_events(route)
                if route.method == "GET" and self.store.changed():
                    self.violations.append({"where": route.path, "kind": "write", "detail": "a GET wrote"})
            if instead is not None:
                return Executed(instead.status, to_json(instead.body()), True), instead.saved
            return Executed(200, to_json(answer), True), True
        except StripeError as error:
            return Executed(error.status, to_json(error.body()), error.keep_changes), error.saved
        except Exception:  # a bug of a handler is what Stripe calls an API error: a 500, nothing changed
            log.exception("%s %s failed", route.method, route.path)
            return Executed(500, to_json(api_error().body()), False), True

    def _settle(self, records: list[Record], *, keep: bool) -> None:
        if not keep:
            self.store.rollback()
            self._journal.append(records)
            return
        changed, fresh = self.store.commit()
        wanted = self.webhooks.wanted(fresh)
        deliveries: list[Record] = [("delivery", delivery.key, b"true") for delivery in wanted]
        self._journal.append([*changed, *records, *deliveries])
        if wanted:
            self.webhooks.enqueue(wanted)

    # -- hosted pages ------------------------------------------------------------------------------------

    def visit(self, action: Callable[[Ctx], T]) -> T:
        """Do what a person does on a hosted page, as a transaction without request, key or fault.

        What the action raises rolls it back and is raised.
        """
        now = self.clock.now()
        self.timed.run_until(now)
        return self._transact(Ctx(self.store, {}, {}, now, account=self.account), action)

    # -- time --------------------------------------------------------------------------------------------

    def advance(self, seconds: int) -> int:
        """Move the clock forward, running what falls due on the way; gives how many pieces ran."""
        ran = self.timed.run_until(self.clock.now() + seconds)
        self.clock.move(seconds)
        self._journal.append([("setting", "clock", to_json(self.clock.offset))])
        return ran

    def _perform_timed(self, due: int, action: Callable[[Ctx], None]) -> None:
        self._transact(Ctx(self.store, {}, {}, due, account=self.account), action)

    def _transact(self, ctx: Ctx, action: Callable[[Ctx], T]) -> T:
        self.store.begin()
        try:
            result = action(ctx)
            if self.check:
                self._check_new_events(None)
            self._settle([], keep=True)
        except BaseException:
            self.store.rollback()
            raise
        return result

    async def run(self) -> None:
        """The background: webhooks go out, and timed work is done as real time passes."""
        delivering = asyncio.create_task(self.webhooks.run())
        try:
            while True:
                self.timed.run_until(self.clock.now())
                await asyncio.sleep(TICK_SECONDS)
        finally:
            delivering.cancel()
            with suppress(asyncio.CancelledError):
                await delivering

    # -- the log -------------------------------------------------------------------------------------------

    def log_request(self, method: str, path: str, key: str | None) -> dict[str, Any]:
        """A new line of the request log; its status stays null while no answer was given."""
        self._sequence += 1
        line = {
            "seq": self._sequence,
            "at": self.clock.now(),
            "method": method,
            "path": path,
            "idempotency_key": key,
            "status": None,
            "replayed": False,
            "fault": None,
            "request_id": "req_" + secrets.token_hex(7),
            "executed": False,
        }
        self.requests.append(line)
        return line

    # -- life ------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget all objects, keys, faults and limits; what was found wrong in answers stays known.

        The webhook's address and secret stay, and the numbering of the request log goes on.
        """
        self.store.clear()
        self.clock.offset, self.clock.frozen = 0, None
        self.idempotency = IdempotencyKeys()
        self.faults.clear()
        self.rate = RateLimit()
        kept = self.account
        self.account = Account(
            base_url=kept.base_url, link_secret=kept.link_secret, api_version=kept.api_version
        )
        self.requests.clear()
        self.webhooks.forget()
        self.timed.forget()
        self._journal.rewrite(self._dump())

    def hold(self, objects: Iterable[Record]) -> None:
        """Hold what another's store has dumped; this one is empty."""
        if not self.store.is_empty():
            raise ValueError("it holds something already")
        for record in objects:
            self.store.load(*record)
        self.timed.forget()
        self._journal.rewrite(self._dump())

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def _load(self) -> None:
        waiting: dict[str, bool] = {}
        for section, key, body in self._journal.read():
            if section == "idempotency":
                self.idempotency.load(key, body)
            elif section == "delivery":
                waiting.pop(key, None) if body is None else waiting.update({key: True})
            elif section == "setting" and key == "clock" and body is not None:
                self.clock.offset = from_json(body)
            elif section == "setting" and key == "link_secret" and body is not None:
                self.account = replace(self.account, link_secret=from_json(body))
            elif section == "setting" and body is not None:
                self.webhooks.load_setting(body)
            else:
                self.store.load(section, key, body)
        self.webhooks.enqueue(_deliveries(self.store, waiting))
        self._journal.rewrite(self._dump())

    def _dump(self) -> list[Record]:
        return [
            ("setting", "clock", to_json(self.clock.offset)),
            ("setting", "link_secret", to_json(self.account.link_secret)),
            *self.store.dump(),
            *self.idempotency.dump(),
            *self.webhooks.dump(),
        ]

    def _check(self, answer: Obj, where: str) -> None:
        self.violations.extend({"where": where, **found} for found in conformance.check(answer))

    def _check_new_events(self, route: Route | None) -> None:
        where = f"{route.method} {route.path}" if route else "timed work or a visit"
        for row in self.store.new_events():
            self._check(from_json(row.body), f"event {row.type} of {where}")


def _deliveries(store: Store, keys: Iterable[str]) -> Iterator[Delivery]:
    for key in keys:
        event_id, _, target = key.partition("@")
        if (row := store.event(event_id)) is not None:
            yield Delivery(row, target)


def api_error(status: int = 500) -> StripeError:
    """Stripe's own failure."""
    return StripeError(status, "api_error", "An unknown error occurred while processing the request.")
