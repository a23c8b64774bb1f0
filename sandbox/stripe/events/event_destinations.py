"""Event destinations of the kind webhook endpoint: https://docs.stripe.com/api/v2/core/event-destinations."""

from typing import NotRequired

from pydantic_core import to_json
from stripe.params.v2.core import (
    EventDestinationCreateParams,
    EventDestinationDeleteParams,
    EventDestinationDisableParams,
    EventDestinationEnableParams,
    EventDestinationListParams,
    EventDestinationPingParams,
    EventDestinationRetrieveParams,
    EventDestinationUpdateParams,
)

from ..core.kernel import Ctx, Obj, invalid, merge_metadata, route
from ..core.params import missing_param
from ..core.store import EventRow
from ..core.updates import not_built
from ..versions import releases
from .thin import iso, shape
from .thin_events import page_of
from .webhook_endpoints import new_secret, require_url

KIND = "v2.core.event_destination"
PATH = "/v2/core/event_destinations"
PING = f"{KIND}.ping"
SECRET, URL = "webhook_endpoint.signing_secret", "webhook_endpoint.url"


class EventDestinationPageParams(EventDestinationListParams):
    """The list's parameters, and `page` as its links to the next one have it."""

    page: NotRequired[str]


@route("POST", PATH, params=EventDestinationCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Add a destination; its secret is in this answer only, and only if `include` asks for it."""
    not_built(ctx, "amazon_eventbridge", "azure_event_grid")
    params = ctx.params
    if params["type"] != "webhook_endpoint":
        raise invalid("This stand-in sends events to webhook endpoints only.", param="type")
    if "webhook_endpoint" not in params:
        raise missing_param("webhook_endpoint")
    if params.get("events_from", ["@self"]) != ["@self"]:
        raise invalid("This stand-in has events of its own account only.", param="events_from")
    version = params.get("snapshot_api_version")
    if version is not None and params["event_payload"] == "thin":
        message = "snapshot_api_version can only be given for snapshot events."
        raise invalid(message, param="snapshot_api_version")
    if version is not None and (refusal := releases.refusal(version)) is not None:
        raise refusal
    destination: Obj = {
        "id": ctx.store.new_id("ed_test"),
        "object": KIND,
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": iso(ctx.now),
        "description": params.get("description", ""),
        "enabled_events": _events(params["enabled_events"]),
        "event_payload": params["event_payload"],
        "events_from": ["@self"],
        "livemode": False,
        "metadata": merge_metadata(None, params.get("metadata")),
        "name": params["name"],
        "snapshot_api_version": version,
        "status": "enabled",
        "status_details": None,
        "type": "webhook_endpoint",
        "updated": iso(ctx.now),
        "webhook_endpoint": None,
        "_secret": new_secret(),
        "_url": require_url(params["webhook_endpoint"]["url"], "webhook_endpoint[url]"),
    }
    return _shown(ctx, ctx.store.put(destination))


@route("GET", PATH + "/{id}", params=EventDestinationRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One destination; its address if `include` asks for it."""
    return _shown(ctx, ctx.store.get(KIND, ctx.path["id"]), secret=False)


@route("POST", PATH + "/{id}", params=EventDestinationUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change name, description, events, metadata or address."""
    destination, params = ctx.store.get(KIND, ctx.path["id"]), ctx.params
    for name in ("name", "description"):
        if name in params:
            destination[name] = params[name]
    if "enabled_events" in params:
        destination["enabled_events"] = _events(params["enabled_events"])
    if "webhook_endpoint" in params:
        url = params["webhook_endpoint"]["url"]
        destination["_url"] = require_url(url, "webhook_endpoint[url]")
    destination["metadata"] = merge_metadata(destination["metadata"], params.get("metadata"))
    return _shown(ctx, _kept(ctx, destination), secret=False)


@route("POST", PATH + "/{id}/disable", params=EventDestinationDisableParams, kind=KIND)
def disable(ctx: Ctx) -> Obj:
    """Send it nothing more."""
    destination = ctx.store.get(KIND, ctx.path["id"])
    destination.update(status="disabled", status_details={"disabled": {"reason": "user"}})
    return _shown(ctx, _kept(ctx, destination), secret=False)


@route("POST", PATH + "/{id}/enable", params=EventDestinationEnableParams, kind=KIND)
def enable(ctx: Ctx) -> Obj:
    """Send it events again."""
    destination = ctx.store.get(KIND, ctx.path["id"])
    destination.update(status="enabled", status_details=None)
    return _shown(ctx, _kept(ctx, destination), secret=False)


@route("POST", PATH + "/{id}/ping", params=EventDestinationPingParams, kind="v2.core.event")
def ping(ctx: Ctx) -> Obj:
    """Send it an event that says so."""
    destination = ctx.store.get(KIND, ctx.path["id"])
    related = {"id": destination["id"], "type": KIND, "url": f"{PATH}/{destination['id']}"}
    event = shape(ctx.store.new_id("evt"), PING, ctx.now, related)
    ctx.store.events.append(EventRow(event["id"], PING, ctx.now, to_json(event)))
    return event


@route("DELETE", PATH + "/{id}", params=EventDestinationDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Take a destination away."""
    destination = ctx.store.get(KIND, ctx.path["id"])
    ctx.store.delete(KIND, destination["id"])
    return {"id": destination["id"], "object": KIND, "deleted": True}


@route("GET", PATH, params=EventDestinationPageParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Destinations, newest first."""
    found = [_shown(ctx, one, secret=False) for one in ctx.store.all(KIND)]
    return page_of(ctx, found, PATH)


def _events(given: list[str]) -> list[str]:
    if not given:
        raise invalid("You must specify at least one event.", param="enabled_events")
    return list(dict.fromkeys(given))


def _kept(ctx: Ctx, destination: Obj) -> Obj:
    destination["updated"] = iso(ctx.now)
    return ctx.store.put(destination)


def _shown(ctx: Ctx, destination: Obj, *, secret: bool = True) -> Obj:
    """With what `include` asks for of its address and secret."""
    wanted = ctx.params.get("include") or []
    endpoint = {}
    if URL in wanted:
        endpoint["url"] = destination["_url"]
    if secret and SECRET in wanted:
        endpoint["signing_secret"] = destination["_secret"]
    return {**destination, "webhook_endpoint": endpoint or None}
