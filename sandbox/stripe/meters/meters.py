"""Billing meters: what counts as usage, and how events of it add up.

https://docs.stripe.com/billing/subscriptions/usage-based/meters/configure
"""

from __future__ import annotations

from stripe.params.billing import (
    MeterCreateParams,
    MeterDeactivateParams,
    MeterListParams,
    MeterReactivateParams,
    MeterRetrieveParams,
    MeterUpdateParams,
)

from ..core.kernel import Ctx, Obj, invalid, public, route
from ..core.updates import changed

KIND = "billing.meter"
PATH = "/v1/billing/meters"


@route("POST", PATH, params=MeterCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Make a meter; two active ones can't have the same event."""
    given = ctx.params
    if active_meter(ctx, given["event_name"]) is not None:
        message = f"There is an active meter with the event name `{given['event_name']}` already."
        raise invalid(message, param="event_name")
    mapping = {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    meter: Obj = {
        "id": ctx.store.new_id("mtr"),
        "object": KIND,
        "created": ctx.now,
        "customer_mapping": public(given.get("customer_mapping", mapping)),
        "default_aggregation": public(given["default_aggregation"]),
        "display_name": given["display_name"],
        "event_name": given["event_name"],
        "event_time_window": given.get("event_time_window"),
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": ctx.now,
        "value_settings": public(given.get("value_settings", {"event_payload_key": "value"})),
    }
    ctx.store.put(meter)
    ctx.emit("billing.meter.created", meter)
    return meter


@route("GET", PATH + "/{id}", params=MeterRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One meter."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", PATH + "/{id}", params=MeterUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change a meter's name; nothing else of it changes."""
    meter = ctx.store.get(KIND, ctx.path["id"])
    before = public(meter)
    meter["display_name"] = ctx.params.get("display_name", meter["display_name"])
    return changed(ctx, meter, before, "billing.meter.updated")


@route("GET", PATH, params=MeterListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Meters, newest first."""
    status = ctx.params.get("status")
    return ctx.page(ctx.store.all(KIND, lambda meter: status in (None, meter["status"])), PATH)


@route("POST", PATH + "/{id}/deactivate", params=MeterDeactivateParams, kind=KIND)
def deactivate(ctx: Ctx) -> Obj:
    """Accept no more events, and no more prices."""
    meter = ctx.store.get(KIND, ctx.path["id"])
    return _become(ctx, meter, "inactive", ctx.now, "billing.meter.deactivated")


@route("POST", PATH + "/{id}/reactivate", params=MeterReactivateParams, kind=KIND)
def reactivate(ctx: Ctx) -> Obj:
    """Accept events again."""
    meter = ctx.store.get(KIND, ctx.path["id"])
    return _become(ctx, meter, "active", None, "billing.meter.reactivated")


def active_meter(ctx: Ctx, event_name: str) -> Obj | None:
    """The active meter of an event."""
    found = ctx.store.related(KIND, "event_name", event_name)
    return next((meter for meter in found if meter["status"] == "active"), None)


def _become(ctx: Ctx, meter: Obj, status: str, deactivated_at: int | None, event: str) -> Obj:
    if meter["status"] == status:
        raise invalid(f"The meter {meter['id']} is {status} already.")
    before = public(meter)
    meter.update(status=status, updated=ctx.now)
    meter["status_transitions"]["deactivated_at"] = deactivated_at
    return changed(ctx, meter, before, event)
