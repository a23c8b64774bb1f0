"""Thin events: what happened to which object, without the object itself.

Each event of a kind that the SDK has a thin class for has a thin one beside it, whose id begins with
`evt_test_`. https://docs.stripe.com/event-destinations#thin-events
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic_core import from_json
from stripe.events._event_classes import _V2_EVENT_CLASS_LOOKUP

from ..core.kernel import ROUTES
from ..core.store import EventRow, Obj

KIND = "v2.core.event"
PREFIX = "evt_test_"
NATIVE = "v2."
"""How the types of events begin that are thin only."""


def type_of(row: EventRow) -> str | None:
    """The type of an event's thin form; None: it has none."""
    if row.type.startswith(NATIVE):
        return row.type
    type = f"v1.{row.type}"
    return type if type in _V2_EVENT_CLASS_LOOKUP else None


def snapshot_id(id: str) -> str:
    """The id of the event of which this is the thin one's; native ones have the same."""
    return "evt_" + id.removeprefix(PREFIX) if id.startswith(PREFIX) else id


def thin(row: EventRow) -> Obj:
    """The thin form of an event that has one."""
    event: Obj = from_json(row.body)
    if row.type.startswith(NATIVE):
        return event
    about, request = event["data"]["object"], event["request"]
    request["idempotency_key"] = request["idempotency_key"] or ""
    return shape(
        PREFIX + row.id.removeprefix("evt_"),
        f"v1.{row.type}",
        row.created,
        _only_one(about) or (_related(about["object"], about["id"]) if "id" in about else None),
        reason={"type": "request", "request": request} if request["id"] else None,
        snapshot_event=row.id,
    )


def shape(id: str, type: str, created: int, related: dict[str, str] | None, **more: Any) -> Obj:
    """A thin event in Stripe's form."""
    given = {name: value for name, value in more.items() if value is not None}
    return {
        "id": id,
        "object": KIND,
        "context": None,
        "created": iso(created),
        "livemode": False,
        "related_object": related,
        "type": type,
        **given,
    }


def iso(second: int) -> str:
    """A time as the second version of the API writes it."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _only_one(about: Obj) -> dict[str, str] | None:
    """The related object where there is one of it at its address, which is named without an id."""
    match about["object"]:
        case "balance":
            url = "/v1/balance"
        case "discount" if about.get("subscription"):
            url = f"/v1/subscriptions/{about['subscription']}/discount"
        case "discount":
            url = f"/v1/customers/{about['customer']}/discount"
        case _:
            return None
    return {"type": about["object"], "url": url}


def _related(kind: str, id: str) -> dict[str, str] | None:
    template = _addresses().get(kind)
    return {"id": id, "type": kind, "url": template.replace("{id}", id)} if template else None


@cache
def _addresses() -> dict[str, str]:
    """Where an object of each kind is read."""
    reading = [route for route in ROUTES if route.method == "GET" and route.path.endswith("/{id}")]
    return {route.kind: route.path for route in reading if route.kind and route.path.count("{") == 1}
