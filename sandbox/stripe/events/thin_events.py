"""Thin events over HTTP: https://docs.stripe.com/api/v2/core/events."""

from datetime import datetime
from typing import Any, NotRequired

from stripe.params.v2.core import EventListParams, EventRetrieveParams
from stripe.params.v2.core._event_list_params import EventListParamsCreated  # noqa: F401  (its annotations)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, missing, route
from . import thin
from .events import KEPT_SECONDS

PATH = "/v2/core/events"


class EventPageParams(EventListParams):
    """The list's parameters, and `page` as its links to the next one have it."""

    page: NotRequired[str]


@route("GET", PATH, params=EventPageParams, kind=thin.KIND)
def list_all(ctx: Ctx) -> Obj:
    """Thin events of the last 30 days, newest first, by object, type or time."""
    params, oldest = ctx.params, ctx.now - KEPT_SECONDS
    created = {name: _second(value, name) for name, value in (params.get("created") or {}).items()}
    types = params.get("types")
    found = []
    for row in reversed(ctx.store.events):
        type = thin.type_of(row)
        if type is None or row.created < oldest or (types is not None and type not in types):
            continue
        if not within(row.created, created):
            continue
        event = thin.thin(row)
        if params.get("object_id") in (None, (event["related_object"] or {}).get("id")):
            found.append(event)
    return page_of(ctx, found, PATH)


@route("GET", PATH + "/{id}", params=EventRetrieveParams, kind=thin.KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One thin event of the last 30 days."""
    row = ctx.store.event(thin.snapshot_id(ctx.path["id"]))
    if row is None or row.created < ctx.now - KEPT_SECONDS or thin.type_of(row) is None:
        raise missing("event", ctx.path["id"])
    return thin.thin(row)


def page_of(ctx: Ctx, found: list[Obj], path: str) -> Obj:
    """One page, with the address of the next; `page` is how many come before it."""
    limit, start = ctx.params.get("limit", 10), ctx.params.get("page", "0")
    if not 1 <= limit <= 100 or not start.isdigit():
        name = "page" if 1 <= limit <= 100 else "limit"
        raise invalid(f"Invalid value for {name}.", param=name)
    stop = int(start) + limit
    more = f"{path}?limit={limit}&page={stop}" if stop < len(found) else None
    return {"data": found[int(start) : stop], "next_page_url": more, "previous_page_url": None}


def _second(value: Any, name: str) -> int:
    try:
        return int(datetime.fromisoformat(str(value)).timestamp())
    except ValueError as error:
        raise invalid(f"Invalid timestamp: {value}", param=f"created[{name}]") from error
