"""Subscription items over HTTP, for reading: they change through their subscription.

https://docs.stripe.com/api/subscription_items
"""

from stripe.params import SubscriptionItemListParams, SubscriptionItemRetrieveParams

from ..core.kernel import Ctx, Obj, missing, route
from ..subscription_terms.shapes import items_of
from .subscriptions import current

KIND = "subscription_item"


@route("GET", "/v1/subscription_items/{id}", params=SubscriptionItemRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One item."""
    wanted = ctx.path["id"]
    for subscription in ctx.store.all(
        "subscription", lambda one: any(item["id"] == wanted for item in items_of(one))
    ):
        return next(item for item in items_of(current(ctx, subscription)) if item["id"] == wanted)
    raise missing("subscription_item", wanted)


@route("GET", "/v1/subscription_items", params=SubscriptionItemListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """The items of one subscription."""
    subscription = ctx.store.get("subscription", ctx.params["subscription"], param="subscription", status=400)
    return ctx.page(items_of(current(ctx, subscription)), "/v1/subscription_items")
