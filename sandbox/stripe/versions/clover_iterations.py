"""2025-09-30.clover: a phase of a schedule lasts for a `duration`; it was for a number of `iterations`.

https://docs.stripe.com/changelog/clover
"""

from typing import Any

from ..core.kernel import Store
from .registry import Call, requests

VERSION = "2025-09-30.clover"


@requests(VERSION, "POST /v1/subscription_schedules", "POST /v1/subscription_schedules/{id}")
def iterations(call: Call) -> None:
    """So many intervals of the price of the phase's first item."""
    _last(call.store, call.params.get("phases"))


@requests(VERSION, "POST /v1/invoices/create_preview")
def previewed_iterations(call: Call) -> None:
    """The same in the details of the schedule."""
    details = call.params.get("schedule_details")
    if isinstance(details, dict):
        _last(call.store, details.get("phases"))


def _last(store: Store, phases: Any) -> None:
    if not isinstance(phases, dict):
        return
    for phase in phases.values():
        if isinstance(phase, dict) and str(phase.get("iterations", "")).isdigit():
            times = int(phase.pop("iterations"))
            interval, count = _interval(store, phase.get("items"))
            phase["duration"] = {"interval": interval, "interval_count": str(times * count)}


def _interval(store: Store, items: Any) -> tuple[str, int]:
    first: Any = next(iter(items.values()), None) if isinstance(items, dict) else None
    if not isinstance(first, dict):
        return "month", 1
    price = first.get("price_data") or store.find("price", str(first.get("price") or first.get("plan"))) or {}
    recurring = price.get("recurring") or {"interval": "month"}
    return recurring["interval"], int(recurring.get("interval_count") or 1)
