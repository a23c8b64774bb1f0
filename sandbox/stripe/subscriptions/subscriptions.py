"""Subscriptions over HTTP: create, retrieve, update, cancel, list.

https://docs.stripe.com/api/subscriptions
"""

from typing import Any

from stripe.params import (
    SubscriptionCancelParams,
    SubscriptionCreateParams,
    SubscriptionListParams,
    SubscriptionRetrieveParams,
    SubscriptionUpdateParams,
)

from ..catalog.catalog import reprice
from ..core.filters import within
from ..core.kernel import Ctx, Obj, public, route
from ..core.updates import not_built
from ..subscription_terms.shapes import items_of
from . import states as subscription_states  # noqa: F401  (the former registers what invoices do)
from . import updates
from .birth import open_subscription
from .end import cancel_now

KIND = "subscription"
OVER = ("canceled", "incomplete_expired")


@route("POST", "/v1/subscriptions", params=SubscriptionCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Start a subscription: its first invoice is finalized and collected at once."""
    return open_subscription(ctx)


@route("GET", "/v1/subscriptions/{id}", params=SubscriptionRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One subscription, its prices as they are now."""
    return current(ctx, ctx.store.get(KIND, ctx.path["id"]))


@route("POST", "/v1/subscriptions/{id}", params=SubscriptionUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change a subscription."""
    return current(ctx, updates.update(ctx, ctx.store.get(KIND, ctx.path["id"])))


@route("DELETE", "/v1/subscriptions/{id}", params=SubscriptionCancelParams, kind=KIND)
def cancel(ctx: Ctx) -> Obj:
    """End a subscription now; `prorate` credits unused time, `invoice_now` bills what waits."""
    subscription = ctx.store.get(KIND, ctx.path["id"])
    details = ctx.params.get("cancellation_details") or {}
    cancel_now(
        ctx,
        subscription,
        invoice_now=ctx.params.get("invoice_now", False),
        prorate=ctx.params.get("prorate", False),
        comment=details.get("comment") or None,
        feedback=details.get("feedback") or None,
    )
    return subscription


@route("GET", "/v1/subscriptions", params=SubscriptionListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Subscriptions, newest first; those that are over only when `status` asks for them."""
    not_built(ctx, "customer_account")
    params = ctx.params
    if params.get("customer"):
        found = ctx.store.related(KIND, "customer", params["customer"])
    else:
        found = ctx.store.all(KIND, lambda subscription: _matches(subscription, params))
    if not params.get("customer"):  # those of a test clock are listed by it, or by their customer
        found = [one for one in found if one["test_clock"] == params.get("test_clock")]
    wanted = [subscription for subscription in found if _matches(subscription, params)]
    page = ctx.page(wanted, "/v1/subscriptions")
    page["data"] = [current(ctx, subscription) for subscription in page["data"]]
    return page


def current(ctx: Ctx, subscription: Obj) -> Obj:
    """The subscription with its items' prices as they are now: names and metadata may have changed since."""
    if not any(_is_stale(ctx, item) for item in items_of(subscription)):
        return subscription
    shown: Obj = public(subscription)
    for item in items_of(shown):
        reprice(item, ctx.store.get("price", item["price"]["id"]))
    return shown


def _is_stale(ctx: Ctx, item: Obj) -> bool:
    price = ctx.store.get("price", item["price"]["id"])
    return any(item["price"].get(name) != value for name, value in price.items() if name[0] != "_")


def _matches(subscription: Obj, params: dict[str, Any]) -> bool:
    status = params.get("status")
    items = items_of(subscription)
    price = params.get("price") or params.get("plan")
    taxed = params.get("automatic_tax", {}).get("enabled")
    return (
        _has_status(subscription["status"], status)
        and params.get("customer") in (None, subscription["customer"])
        and params.get("collection_method") in (None, subscription["collection_method"])
        and taxed in (None, subscription["automatic_tax"]["enabled"])
        and (price is None or any(item["price"]["id"] == price for item in items))
        and within(subscription["created"], params.get("created"))
        and any(within(item["current_period_start"], params.get("current_period_start")) for item in items)
        and any(within(item["current_period_end"], params.get("current_period_end")) for item in items)
    )


def _has_status(status: str, wanted: str | None) -> bool:
    if wanted is None:
        return status not in OVER
    if wanted == "ended":
        return status in OVER
    return wanted in ("all", status)
