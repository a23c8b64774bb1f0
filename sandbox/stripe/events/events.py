"""Events: https://docs.stripe.com/api/events."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic_core import from_json
from stripe.params import EventListParams, EventRetrieveParams

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, missing, route
from ..core.store import EventRow
from ..versions.registry import downgrade_event
from .thin import NATIVE

KEPT_SECONDS = 30 * 24 * 3600
MAX_TYPES = 20


@route("GET", "/v1/events", params=EventListParams, kind="event")
def list_all(ctx: Ctx) -> Obj:
    """Events of the last 30 days, newest first; `type` may hold a `*`, `types` is a list of exact types."""
    pattern, types, created = ctx.params.get("type"), ctx.params.get("types"), ctx.params.get("created")
    if pattern and types:
        raise invalid("You may only specify one of these parameters: type, types.")
    if types and len(types) > MAX_TYPES:
        raise invalid(f"You may specify at most {MAX_TYPES} types.", param="types")
    wanted_success = ctx.params.get("delivery_success")
    oldest = ctx.now - KEPT_SECONDS
    rows = [
        row
        for row in reversed(ctx.store.events)
        if row.created >= oldest
        and not row.type.startswith(NATIVE)
        and (pattern is None or fnmatchcase(row.type, pattern))
        and (types is None or row.type in types)
        and within(row.created, created)
        and (wanted_success is None or wanted_success != bool(ctx.store.undelivered(row.id)))
    ]
    rows.sort(key=lambda row: row.created, reverse=True)
    page = ctx.page([{"id": row.id, "row": row} for row in rows], "/v1/events")
    page["data"] = [_shown(ctx, item["row"]) for item in page["data"]]
    return page


@route("GET", "/v1/events/{id}", params=EventRetrieveParams, kind="event")
def retrieve(ctx: Ctx) -> Obj:
    """One event of the last 30 days."""
    row = ctx.store.event(ctx.path["id"])
    if row is None or row.created < ctx.now - KEPT_SECONDS or row.type.startswith(NATIVE):
        raise missing("event", ctx.path["id"])
    return _shown(ctx, row)


def _shown(ctx: Ctx, row: EventRow) -> Obj:
    event: Obj = from_json(row.body)
    event["pending_webhooks"] = ctx.store.undelivered(row.id)
    downgrade_event(ctx, event, ctx.account.api_version)
    return event
