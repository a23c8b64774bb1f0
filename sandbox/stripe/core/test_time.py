"""Whose time it is: that of the test clock under which the objects of a request live.

https://docs.stripe.com/billing/testing/test-clocks
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import StripeError
from .expansion import find_by_id
from .kernel import Ctx
from .store import Obj, Store

KIND = "test_helpers.test_clock"


def tell_time(ctx: Ctx, ids: Iterable[str], *, writes: bool) -> None:
    """Give a request the time of the test clock of one of these objects, if there is one.

    Raises 429 for a change while that clock is being advanced.
    """
    clock = next((found for id in ids if (found := _clock_of(ctx.store, id)) is not None), None)
    if clock is None:
        return
    ctx.outside, ctx.now, ctx.clock = ctx.now, clock["frozen_time"], clock["id"]
    if writes and clock["status"] == "advancing":
        raise StripeError(
            429,
            "invalid_request_error",
            "Test clock advancement underway - cannot perform modifications",
            code="rate_limit",
            saved=False,
        )


def _clock_of(store: Store, id: str) -> Obj | None:
    """The test clock of an object: itself, its own, or its customer's."""
    found = find_by_id(store, id)
    if found is None or found.get("deleted"):
        return None
    if found["object"] == KIND:
        return found
    clock = found.get("test_clock") or found.get("_clock")
    if clock is None and isinstance(found.get("customer"), str):
        customer = store.find("customer", found["customer"])
        clock = customer and customer["test_clock"]
    return store.find(KIND, clock) if clock else None
