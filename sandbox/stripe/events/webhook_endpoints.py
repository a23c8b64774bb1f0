"""Webhook endpoints as objects, each with a secret of its own: https://docs.stripe.com/api/webhook_endpoints.

Unlike Stripe's, they may have an address of this machine.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from stripe.params import (
    WebhookEndpointCreateParams,
    WebhookEndpointDeleteParams,
    WebhookEndpointListParams,
    WebhookEndpointRetrieveParams,
    WebhookEndpointUpdateParams,
)

from ..core.kernel import Ctx, Obj, invalid, merge_metadata, route
from ..core.updates import not_built

KIND = "webhook_endpoint"
PATH = "/v1/webhook_endpoints"
MOST = 16
"""So many can there be in test mode."""


@route("POST", PATH, params=WebhookEndpointCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Add an endpoint; its secret is in this answer and in no other."""
    not_built(ctx, "connect")
    if len(ctx.store.all(KIND)) >= MOST:
        raise invalid(f"You have reached the maximum of {MOST} test webhook endpoints.")
    params = ctx.params
    endpoint: Obj = {
        "id": ctx.store.new_id("we"),
        "object": KIND,
        "api_version": params.get("api_version"),
        "application": None,
        "created": ctx.now,
        "description": params.get("description") or None,
        "enabled_events": _events(params["enabled_events"]),
        "livemode": False,
        "metadata": merge_metadata(None, params.get("metadata")),
        "status": "enabled",
        "url": require_url(params["url"], "url"),
        "_secret": new_secret(),
    }
    ctx.store.put(endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


@route("GET", PATH + "/{id}", params=WebhookEndpointRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One endpoint, without its secret."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", PATH + "/{id}", params=WebhookEndpointUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change an endpoint or switch it off; its version stays what it was at the beginning."""
    endpoint, params = ctx.store.get(KIND, ctx.path["id"]), ctx.params
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    if "url" in params:
        endpoint["url"] = require_url(params["url"], "url")
    if "enabled_events" in params:
        endpoint["enabled_events"] = _events(params["enabled_events"])
    if "description" in params:
        endpoint["description"] = params["description"] or None
    endpoint["metadata"] = merge_metadata(endpoint["metadata"], params.get("metadata"))
    return ctx.store.put(endpoint)


@route("DELETE", PATH + "/{id}", params=WebhookEndpointDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Take an endpoint away, and what is still on the way to it."""
    endpoint = ctx.store.get(KIND, ctx.path["id"])
    ctx.store.delete(KIND, endpoint["id"])
    return {"id": endpoint["id"], "object": KIND, "deleted": True}


@route("GET", PATH, params=WebhookEndpointListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Endpoints, newest first."""
    return ctx.page(ctx.store.all(KIND), PATH)


def require_url(url: str, param: str) -> str:
    """An address that events can be posted to; raises 400."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise invalid(message, code="url_invalid", param=param)
    return url


def new_secret() -> str:
    """What signs the events of one endpoint."""
    return "whsec_" + secrets.token_hex(16)


def _events(given: list[str]) -> list[str]:
    if not given:
        raise invalid("You must specify at least one event.", param="enabled_events")
    return list(dict.fromkeys(given))
