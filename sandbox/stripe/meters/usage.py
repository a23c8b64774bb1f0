"""How much of something a customer used in a time."""

from ..core.kernel import Obj, Store

KIND = "billing.meter_event"


def owner(meter: str, customer: str) -> str:
    """What the events of one meter and customer are found by."""
    return f"{meter} {customer}"


def used(store: Store, meter: Obj, customer: str, start: int, end: int) -> int:
    """The usage from `start` until before `end`, as the meter aggregates it; never below 0."""
    events = [
        event
        for event in store.related(KIND, "_owner", owner(meter["id"], customer))
        if start <= event["timestamp"] < end and not event["_canceled"]
    ]
    if meter["default_aggregation"]["formula"] == "last":
        last = max(events, key=lambda event: int(event["timestamp"]), default=None)
        return max(0, last["_value"]) if last else 0
    return max(0, sum(int(event["_value"]) for event in events))
