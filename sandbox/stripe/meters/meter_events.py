"""Events of usage, their cancellation, and summaries of them.

An event counts at once; Stripe takes a while. https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage
"""

from __future__ import annotations

import secrets

from stripe.params.billing import (
    MeterEventAdjustmentCreateParams,
    MeterEventCreateParams,
    MeterListEventSummariesParams,
)

from ..core.kernel import Ctx, Obj, invalid, public, route
from ..core.params import missing_param
from ..core.periods import DAY
from ..core.updates import without_effect
from . import meters
from .usage import KIND, owner, used

PAST, FUTURE = 35 * DAY, 300
"""An event's time lies at most so many seconds back, or ahead."""
CANCELED_WITHIN = DAY
WINDOWS = {None: 60, "hour": 3600, "day": DAY}
"""What the times of a summary are multiples of, in seconds."""
MOST_SUMMARIES = 10_000


@route("POST", "/v1/billing/meter_events", params=MeterEventCreateParams)
def create(ctx: Ctx) -> Obj:
    """Report usage of a customer. Raises 400 for an unknown meter or customer, no value, and a second event
    of the same identifier."""
    given = ctx.params
    meter = _meter(ctx, given["event_name"])
    identifier = given.get("identifier") or secrets.token_hex(16)
    if ctx.store.find(KIND, identifier):
        message = f"An event already exists with identifier {identifier}."
        raise invalid(message, param="identifier", code="duplicate_meter_event")
    at = given.get("timestamp", ctx.now)
    if not ctx.now - PAST <= at <= ctx.now + FUTURE:
        message = "The timestamp must be within the past 35 days or up to 5 minutes in the future."
        raise invalid(message, param="timestamp", code="timestamp_invalid")
    customer = _payload(given["payload"], meter["customer_mapping"]["event_payload_key"])
    ctx.store.get("customer", customer, param="payload", status=400)
    event: Obj = {
        "id": identifier,
        "object": KIND,
        "created": ctx.now,
        "event_name": given["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": public(given["payload"]),
        "timestamp": at,
        "_canceled": False,
        "_owner": owner(meter["id"], customer),
        "_value": _value(meter, given["payload"]),
    }
    ctx.store.put(event)
    return {name: value for name, value in event.items() if name != "id"}  # Stripe's has none


@route("POST", "/v1/billing/meter_event_adjustments", params=MeterEventAdjustmentCreateParams)
def cancel(ctx: Ctx) -> Obj:
    """Take back an event of the last 24 hours."""
    without_effect(ctx, "type")  # there is one
    identifier = (ctx.params.get("cancel") or {}).get("identifier")
    if not identifier:
        raise missing_param("cancel[identifier]")
    event = ctx.store.find(KIND, identifier)
    if event is None or event["event_name"] != ctx.params["event_name"]:
        message = f"No such meter event: '{identifier}'"
        raise invalid(message, param="cancel[identifier]", code="resource_missing")
    if event["created"] < ctx.now - CANCELED_WITHIN:
        message = "You can only cancel events within 24 hours of Stripe receiving them."
        raise invalid(message, param="cancel[identifier]")
    event["_canceled"] = True
    ctx.store.put(event)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": event["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


@route("GET", meters.PATH + "/{id}/event_summaries", params=MeterListEventSummariesParams)
def summarize(ctx: Ctx) -> Obj:
    """A customer's usage over a time, or over each hour or day of it, newest first."""
    meter = ctx.store.get(meters.KIND, ctx.path["id"])
    customer = ctx.store.get("customer", ctx.params["customer"], param="customer", status=400)["id"]
    start, end = ctx.params["start_time"], ctx.params["end_time"]
    window = ctx.params.get("value_grouping_window")
    for name, moment in (("start_time", start), ("end_time", end)):
        if moment % WINDOWS[window]:
            message = f"`{name}` must align with {window or 'minute'} boundaries."
            raise invalid(message, param=name)
    if end <= start:
        raise invalid("`end_time` must be after `start_time`.", param="end_time")
    step = WINDOWS[window] if window else end - start
    if (end - start) // step > MOST_SUMMARIES:
        raise invalid("The time is too long for this grouping.", param="value_grouping_window")
    found = [_summary(ctx, meter, customer, at, at + step) for at in range(start, end, step)]
    return ctx.page(found[::-1], f"{meters.PATH}/{meter['id']}/event_summaries")


def _summary(ctx: Ctx, meter: Obj, customer: str, start: int, end: int) -> Obj:
    return {
        "id": f"mtrusg_{meter['id'].rpartition('_')[2]}{start}{end}",
        "object": "billing.meter_event_summary",
        "aggregated_value": float(used(ctx.store, meter, customer, start, end)),
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
        "start_time": start,
    }


def _meter(ctx: Ctx, event_name: str) -> Obj:
    meter = meters.active_meter(ctx, event_name)
    if meter is None:
        message = f"No active meter found for event name `{event_name}`."
        raise invalid(message, param="event_name", code="no_meter")
    return meter


def _payload(payload: dict[str, str], key: str) -> str:
    if not payload.get(key):
        raise missing_param(f"payload[{key}]")
    return payload[key]


def _value(meter: Obj, payload: dict[str, str]) -> int:
    """The value of an event, a whole number; one that is counted needs none."""
    if meter["default_aggregation"]["formula"] == "count":
        return 1
    key = meter["value_settings"]["event_payload_key"]
    given = _payload(payload, key)
    try:
        return int(given)
    except ValueError:
        message = f"The value of an event must be a whole number, not '{given}'."
        raise invalid(message, param=f"payload[{key}]", code="meter_event_invalid_value") from None
