"""Sessions of the customer portal: https://docs.stripe.com/api/customer_portal/sessions.

A session expires 5 minutes after it was made when nobody opens it, otherwise an hour after the last visit.
There is nothing to retrieve one by: its address is told once. The portal here shows what it would be about
and changes nothing.
"""

from __future__ import annotations

import secrets
from typing import Any

from stripe.params.billing_portal import SessionCreateParams

from ..core.kernel import Ctx, Obj, invalid, route
from ..core.params import missing_param
from ..core.updates import not_built
from . import portal_configurations

KIND = "billing_portal.session"
UNUSED_SECONDS = 5 * 60
IDLE_SECONDS = 60 * 60

FEATURE_OF = {
    "customer_update": "customer_update",
    "payment_method_update": "payment_method_update",
    "subscription_cancel": "subscription_cancel",
    "subscription_pause": "subscription_pause",
    "subscription_update": "subscription_update",
    "subscription_update_confirm": "subscription_update",
}
"""The feature that the configuration must offer for a flow of each type."""
OF_SUBSCRIPTION = tuple(name for name in FEATURE_OF if name.startswith("subscription_"))


@route("POST", "/v1/billing_portal/sessions", params=SessionCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Open the portal to a customer; its `url` is the secret that lets them in."""
    not_built(ctx, "customer_account", "on_behalf_of")
    params = ctx.params
    if "customer" not in params:
        raise missing_param("customer")
    customer = ctx.store.get("customer", params["customer"], param="customer", status=400)
    configuration = _configuration(ctx)
    portal_configurations.check_url(params.get("return_url"), "return_url")
    token = "test_" + secrets.token_urlsafe(32)
    session: Obj = {
        "id": ctx.store.new_id("bps"),
        "object": KIND,
        "after_expiration": _after_expiration(params.get("after_expiration")),
        "configuration": configuration["id"],
        "created": ctx.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": _flow(ctx, configuration, customer) if "flow_data" in params else None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url") or configuration["default_return_url"],
        "url": f"{ctx.account.base_url}/p/session/{token}",
        "_token": token,
        "_visited": None,
    }
    ctx.store.put(session)
    ctx.emit("billing_portal.session.created", session)
    return session


def found(ctx: Ctx, token: str) -> Obj | None:
    """The session of an address."""
    return next(iter(ctx.store.related(KIND, "_token", token)), None)


def enter(ctx: Ctx, session: Obj) -> bool:
    """Note a visit, which keeps the session for another hour; False: it has expired."""
    visited = session["_visited"]
    ends = session["created"] + UNUSED_SECONDS if visited is None else visited + IDLE_SECONDS
    if ctx.now >= ends:
        return False
    session["_visited"] = ctx.now
    ctx.store.put(session)
    return True


def _configuration(ctx: Ctx) -> Obj:
    """The configuration that is named, else the default one.

    That there must be one is told by users of Stripe, in these words, and by no page of its documentation:
    `/_sandbox/portal` switches it off.
    """
    if "configuration" in ctx.params:
        kind, id = portal_configurations.KIND, ctx.params["configuration"]
        named = ctx.store.get(kind, id, param="configuration", status=400)
        if not named["active"]:
            raise invalid(f"The configuration {id} is not active.", param="configuration")
        return named
    configuration = portal_configurations.default(ctx)
    if configuration is None:
        raise invalid(
            "No configuration provided and your test mode default configuration has not been created. "
            "Provide a configuration or create your default by saving your customer portal settings in test "
            "mode at https://dashboard.stripe.com/test/settings/billing/portal."
        )
    return configuration


def _after_expiration(given: Obj | None) -> Obj | None:
    if given is None:
        return None
    return {"customer_login": {"expires_at": None, **given.get("customer_login", {})}, "type": given["type"]}


def _flow(ctx: Ctx, configuration: Obj, customer: Obj) -> Obj:
    """The flow that the session is for; raises 400 where it doesn't fit customer or configuration."""
    given: dict[str, Any] = ctx.params["flow_data"]
    type = given["type"]
    for other in OF_SUBSCRIPTION:
        if other in given and other != type:
            raise invalid(f"A flow of type {type} takes no {other}.", param=f"flow_data[{other}]")
    if not configuration["features"][FEATURE_OF[type]]["enabled"]:
        raise invalid(
            f"The portal configuration {configuration['id']} does not offer {FEATURE_OF[type]}.",
            param="flow_data[type]",
        )
    flow: Obj = {
        "after_completion": _after_completion(given.get("after_completion")),
        **dict.fromkeys(FEATURE_OF),
        "type": type,
    }
    del flow["payment_method_update"]  # has no details of its own
    if type in OF_SUBSCRIPTION:
        if type not in given:
            raise missing_param(f"flow_data[{type}]")
        flow[type] = _of_subscription(ctx, type, given[type], customer)
    return flow


def _of_subscription(ctx: Ctx, type: str, given: Obj, customer: Obj) -> Obj:
    param = f"flow_data[{type}]"
    id = given["subscription"]
    subscription = ctx.store.get("subscription", id, param=f"{param}[subscription]", status=400)
    if subscription["customer"] != customer["id"]:
        raise invalid(f"The subscription {id} is not of this customer.", param=f"{param}[subscription]")
    for name in ("discounts", "retention"):
        if given.get(name):
            raise invalid("This stand-in has no coupons.", param=f"{param}[{name}]")
    if type == "subscription_cancel":
        return {"retention": None, "subscription": id}
    if type == "subscription_update_confirm":
        return {"discounts": None, "items": [_item(ctx, given, subscription, param)], "subscription": id}
    return {"subscription": id}


def _item(ctx: Ctx, given: Obj, subscription: Obj, param: str) -> Obj:
    """The one item that a confirmation is about ("only up to one may be specified")."""
    own = [item["id"] for item in subscription["items"]["data"]]
    items = given["items"]
    if len(items) != 1 or own != [items[0]["id"]]:
        raise invalid("Name the one item of the subscription, which has no other.", param=f"{param}[items]")
    [item] = items
    if "price" in item:
        ctx.store.get("price", item["price"], param=f"{param}[items][0][price]", status=400)
    return {"id": item["id"], "price": item.get("price"), "quantity": item.get("quantity")}


def _after_completion(given: Obj | None) -> Obj:
    type = given["type"] if given else "portal_homepage"
    details: Obj = {"hosted_confirmation": None, "redirect": None}
    for name in details:
        if given and name in given:
            if name != type:
                raise invalid(f"after_completion of type {type} takes no {name}.", param="flow_data")
            details[name] = dict(given[name])
    if type == "redirect" and details["redirect"] is None:
        raise missing_param("flow_data[after_completion][redirect]")
    if details["redirect"]:
        param = "flow_data[after_completion][redirect][return_url]"
        portal_configurations.check_url(details["redirect"]["return_url"], param)
    if type == "hosted_confirmation":
        details["hosted_confirmation"] = {"custom_message": None, **(details["hosted_confirmation"] or {})}
    return {**details, "type": type}
