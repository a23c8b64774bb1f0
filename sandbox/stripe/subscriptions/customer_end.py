"""Deleting a customer ends its subscriptions at once: https://docs.stripe.com/api/customers/delete."""

from __future__ import annotations

from ..core.kernel import Ctx, Obj
from ..customers.customers import BEFORE_DELETE
from .end import cancel_now

_OVER = ("canceled", "incomplete_expired")


def _cancel_subscriptions(ctx: Ctx, customer: Obj) -> None:
    for subscription in ctx.store.related("subscription", "customer", customer["id"]):
        if subscription["status"] not in _OVER:
            cancel_now(ctx, subscription)


BEFORE_DELETE.append(_cancel_subscriptions)
