"""What a schedule's phases mean for its subscription: which one holds when, and the items it asks for."""

from typing import Any

from ..catalog.catalog import every, reprice, subscription_item
from ..core.kernel import Ctx, Obj, public
from .item_changes import becomes_paid
from .shapes import items_of


def phase_at(schedule: Obj, at: int) -> dict[str, Any] | None:
    """The phase that holds at the second `at`; None after the last or before the first."""
    for phase in schedule["phases"]:
        if phase["start_date"] <= at < phase["end_date"]:
            found: dict[str, Any] = phase
            return found
    return None


def next_terms(ctx: Ctx, subscription: Obj, at: int) -> tuple[list[Obj], int]:
    """Copies of the items that the subscription has at `at`, and the billing cycle anchor of then.

    They differ from today's when its schedule enters another phase by that time.
    """
    schedule = (
        ctx.store.find("subscription_schedule", subscription["schedule"])
        if subscription["schedule"]
        else None
    )
    phase = phase_at(schedule, at) if schedule and schedule["status"] == "active" else None
    current = schedule["current_phase"] if schedule else None
    if phase is None or (current and current["start_date"] == phase["start_date"]):
        return public(items_of(subscription)), subscription["billing_cycle_anchor"]
    items = items_of_phase(ctx, subscription, phase)
    return items, anchor_of_phase(ctx, subscription, items, phase)


def phase_items(items: list[Obj]) -> list[dict[str, Any]]:
    """A subscription's items as a phase writes them."""
    return [phase_item(item["price"]["id"], item["quantity"], dict(item["metadata"])) for item in items]


def phase_item(price: str, quantity: int, metadata: dict[str, str]) -> dict[str, Any]:
    """One item of a phase."""
    return {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": metadata,
        "plan": price,
        "price": price,
        "quantity": quantity,
        "tax_rates": [],
    }


def follow(ctx: Ctx, subscription: Obj) -> None:
    """A scheduled subscription was changed directly: its current phase says so from now on."""
    schedule = (
        ctx.store.find("subscription_schedule", subscription["schedule"])
        if subscription["schedule"]
        else None
    )
    phase = phase_at(schedule, ctx.now) if schedule and schedule["status"] == "active" else None
    if schedule is not None and phase is not None:
        phase["items"] = phase_items(items_of(subscription))
        ctx.store.put(schedule)
        ctx.emit("subscription_schedule.updated", schedule)


def items_of_phase(ctx: Ctx, subscription: Obj, phase: dict[str, Any]) -> list[Obj]:
    """A phase's items: those with the same price are kept, the others take over an item that would go."""
    left: dict[str, Obj] = {item["price"]["id"]: item for item in public(items_of(subscription))}
    kept = {wanted["price"]: left.pop(wanted["price"], None) for wanted in phase["items"]}
    spare = list(left.values())
    first = items_of(subscription)[0]
    made: list[Obj] = []
    for wanted in phase["items"]:
        price = ctx.store.get("price", wanted["price"])
        item = kept[wanted["price"]] or (spare.pop(0) if spare else None)
        if item is None:
            span = (first["current_period_start"], first["current_period_end"])
            item = subscription_item(ctx, subscription["id"], price, 1, {}, span)
        if item["price"]["id"] != price["id"]:
            reprice(item, price)
        item["quantity"] = wanted["quantity"]
        item["metadata"] = {**item["metadata"], **(wanted["metadata"] or {})}
        made.append(item)
    return made


def anchor_of_phase(ctx: Ctx, subscription: Obj, items: list[Obj], phase: dict[str, Any]) -> int:
    """The billing cycle anchor in a phase: its start when it asks for that.

    In classic billing mode also when an interval changes, or a price of nothing becomes one of something.
    """
    before = items_of(subscription)
    intervals = {item["id"]: every(item["price"]) for item in before}
    moved = any(every(item["price"]) != intervals.get(item["id"], every(item["price"])) for item in items)
    classic = subscription["billing_mode"]["type"] == "classic"
    resets = classic and (moved or becomes_paid(ctx, before, items))
    if resets or phase["billing_cycle_anchor"] == "phase_start":
        return int(phase["start_date"])
    return int(subscription["billing_cycle_anchor"])
