"""Subscription items over HTTP; a change of one is an update of its subscription that names only it.

https://docs.stripe.com/api/subscription_items
"""

from dataclasses import replace
from typing import Any

from stripe.params import (
    SubscriptionItemCreateParams,
    SubscriptionItemDeleteParams,
    SubscriptionItemListParams,
    SubscriptionItemRetrieveParams,
    SubscriptionItemUpdateParams,
)

from ..core.forms import part
from ..core.kernel import Ctx, Obj, missing, route
from ..core.test_time import tell_time
from ..core.updates import without_effect
from ..subscription_terms.shapes import items_of
from . import updates
from .subscriptions import current

KIND = "subscription_item"
PATH = "/v1/subscription_items"
OF_SUBSCRIPTION = ("off_session", "payment_behavior", "proration_behavior", "proration_date")
"""What a request says of the whole update."""


@route("POST", PATH, params=SubscriptionItemCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Add an item to a subscription, billed to the end of its period as `proration_behavior` says."""
    subscription = ctx.store.get("subscription", ctx.params["subscription"], param="subscription", status=400)
    before = {item["id"] for item in items_of(subscription)}
    subscription = _update(ctx, subscription, {})
    return next(item for item in items_of(subscription) if item["id"] not in before)


@route("GET", PATH + "/{id}", params=SubscriptionItemRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One item."""
    return _item(current(ctx, _subscription(ctx)), ctx.path["id"])


@route("POST", PATH + "/{id}", params=SubscriptionItemUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change an item's price, quantity, discounts, tax rates or metadata."""
    id = ctx.path["id"]
    return _item(_update(ctx, _subscription(ctx), {"id": id}), id)


@route("DELETE", PATH + "/{id}", params=SubscriptionItemDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Take an item away; the last one can't be."""
    without_effect(ctx, "clear_usage")  # what a meter has counted is billed all the same
    id = ctx.path["id"]
    _update(ctx, _subscription(ctx), {"id": id, "deleted": True})
    return {"id": id, "object": KIND, "deleted": True}


@route("GET", PATH, params=SubscriptionItemListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """The items of one subscription."""
    subscription = ctx.store.get("subscription", ctx.params["subscription"], param="subscription", status=400)
    return ctx.page(items_of(current(ctx, subscription)), PATH)


def _subscription(ctx: Ctx) -> Obj:
    """The subscription that has the item."""
    wanted = ctx.path["id"]
    found = ctx.store.all("subscription", lambda one: any(item["id"] == wanted for item in items_of(one)))
    if not found:
        raise missing("subscription item", wanted)
    return found[0]


def _item(subscription: Obj, id: str) -> Obj:
    return next(item for item in items_of(subscription) if item["id"] == id)


def _update(ctx: Ctx, subscription: Obj, entry: dict[str, Any]) -> Obj:
    if ctx.clock is None:  # the request may name the item only, and whose time it is is the subscription's
        tell_time(ctx, [subscription["id"]], writes=True)
    params = ctx.params
    of_item = part(params, params.keys() - {*OF_SUBSCRIPTION, "expand", "subscription"}, **entry)
    asked = replace(ctx, params=part(params, OF_SUBSCRIPTION, items=[of_item]))
    return current(ctx, updates.update(asked, subscription))
