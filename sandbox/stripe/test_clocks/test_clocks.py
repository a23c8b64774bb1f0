"""Test clocks: a time of their own for customers, which moves when somebody says so.

Advancing works off what falls due on the way, one thing after the other, each at its own second; it stops at
the target, where a draft of the last hour is still a draft.
https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from stripe.params.test_helpers import (
    TestClockAdvanceParams,
    TestClockCreateParams,
    TestClockDeleteParams,
    TestClockListParams,
    TestClockRetrieveParams,
)

from ..catalog.catalog import every
from ..core.clock import MAX_REPEATS
from ..core.kernel import ATTENDED, Ctx, Obj, attends, breaks_off, invalid, route
from ..core.periods import shift
from ..core.test_time import KIND
from ..subscription_terms.shapes import items_of

PATH = "/v1/test_helpers/test_clocks"
LIVE = ("active", "past_due", "trialing", "unpaid", "incomplete", "paused")
OWNED = ("invoice", "invoiceitem", "subscription", "subscription_schedule", "customer")
"""What carries the clock that it lives by, and goes with it."""


@route("POST", PATH, params=TestClockCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Make a clock that stands at `frozen_time`; a customer given lives by it from now on."""
    clock: Obj = {
        "id": ctx.store.new_id("clock"),
        "object": KIND,
        "created": ctx.now,
        "deletes_after": ctx.now + 30 * 86_400,
        "frozen_time": ctx.params["frozen_time"],
        "livemode": False,
        "name": ctx.params.get("name"),
        "status": "ready",
        "status_details": {},
        "_due": None,
        "_step": 0,
        "_last": None,
        "_repeats": 0,
    }
    ctx.store.put(clock)
    ctx.emit("test_helpers.test_clock.created", clock)
    if ctx.params.get("customer"):
        _adopt(ctx, ctx.store.get("customer", ctx.params["customer"], param="customer", status=400), clock)
    return clock


@route("GET", PATH + "/{id}", params=TestClockRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One clock."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("GET", PATH, params=TestClockListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Clocks, newest first."""
    return ctx.page(ctx.store.all(KIND), PATH)


@route("DELETE", PATH + "/{id}", params=TestClockDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Delete a clock and what lives by it."""
    clock = ctx.store.get(KIND, ctx.path["id"])
    for kind in OWNED:
        for owned in ctx.store.related(kind, "test_clock", clock["id"]):
            ctx.store.delete(kind, owned["id"], tombstone=kind == "customer")
    ctx.store.delete(KIND, clock["id"])
    ctx.emit("test_helpers.test_clock.deleted", clock)
    return {"id": clock["id"], "object": KIND, "deleted": True}


@route("POST", PATH + "/{id}/advance", params=TestClockAdvanceParams, kind=KIND)
def advance(ctx: Ctx) -> Obj:
    """Begin to move a clock forward; it is `ready` once all that fell due on the way is done."""
    clock = ctx.store.get(KIND, ctx.path["id"])
    if clock["status"] == "internal_failure":
        raise invalid("This test clock failed while it was advanced: it can only be deleted.")
    target, now = ctx.params["frozen_time"], clock["frozen_time"]
    if target <= now:
        raise invalid("A test clock can only be advanced to a time in its future.", param="frozen_time")
    limit = _limit(ctx, clock)
    if target > limit:
        raise invalid(
            f"The frozen time of this clock is {_written(now)}. You can only advance it up to "
            f"{_written(limit)}. You can only advance a test clock up to two intervals from the current "
            "frozen time at a time, by its shortest subscription.",
            param="frozen_time",
        )
    clock.update(
        status="advancing",
        status_details={"advancing": {"target_frozen_time": target}},
        _due=(ctx.now if ctx.outside is None else ctx.outside) + ctx.account.advance_seconds,
    )
    ctx.store.put(clock)
    ctx.emit("test_helpers.test_clock.advancing", clock)
    return clock


@attends(KIND)
def move(ctx: Ctx, clock: Obj) -> None:
    """The next thing that falls due on a clock's way; after the last the clock has arrived."""
    clock["_step"] += 1
    target = clock["status_details"]["advancing"]["target_frozen_time"]
    found = ctx.store.next_due(clock["id"])
    if found is not None and found[0] <= target:
        due, waiting = found
        at = max(due, clock["frozen_time"])
        again = clock["_last"] == [waiting["id"], at]
        clock["_repeats"] = clock["_repeats"] + 1 if again else 0
        clock["_last"] = [waiting["id"], at]
        if clock["_repeats"] > MAX_REPEATS:
            raise RuntimeError(f"{waiting['object']} {waiting['id']} is due at {at} again and again")
        then = replace(ctx, now=at, outside=ctx.now, clock=clock["id"])
        ATTENDED[waiting["object"]](then, ctx.store.get(waiting["object"], waiting["id"]))
        clock["frozen_time"] = at
        ctx.store.put(clock)
        return
    clock.update(frozen_time=target, status="ready", status_details={}, _due=None)
    ctx.store.put(clock)
    ctx.emit("test_helpers.test_clock.ready", clock)


@breaks_off(KIND)
def fail(ctx: Ctx, clock: Obj) -> None:
    """Something on a clock's way could not be done: it stops there, and what was done before stays done.

    https://docs.stripe.com/api/test_clocks/object#test_clock_object-status
    """
    clock.update(status="internal_failure", status_details={}, _due=None)
    ctx.store.put(clock)
    ctx.emit("test_helpers.test_clock.internal_failure", clock)


def _adopt(ctx: Ctx, customer: Obj, clock: Obj) -> None:
    """Let a customer live by a clock from now on, for good."""
    if customer["test_clock"]:
        raise invalid("This customer has a test clock already.", param="customer")
    if any(ctx.store.related(kind, "customer", customer["id"]) for kind in OWNED if kind != "customer"):
        message = "This stand-in gives a clock to customers only who have nothing that is billed yet."
        raise invalid(message, param="customer")
    customer["test_clock"] = clock["id"]
    ctx.store.put(customer)
    ctx.emit("customer.updated", customer, {"test_clock": None})


def _limit(ctx: Ctx, clock: Obj) -> int:
    """How far a clock may be advanced: two intervals of its shortest subscription, two years without one."""
    now = clock["frozen_time"]
    intervals = {
        every(item["price"])
        for subscription in ctx.store.related("subscription", "test_clock", clock["id"])
        if subscription["status"] in LIVE
        for item in items_of(subscription)
    }
    return min((shift(now, unit, 2 * count) for unit, count in intervals), default=shift(now, "year", 2))


def _written(second: int) -> str:
    return f"{second} ({datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S} UTC)"
