"""What a schedule's phases mean for its subscription: which one holds when, and the items it asks for."""

from typing import Any

from ..catalog.catalog import every, reprice, subscription_item
from ..core.kernel import Ctx, Obj, public
from ..discounts import discounts
from ..taxes import automatic_tax
from .item_changes import becomes_paid
from .shapes import items_of, set_items


def phase_at(schedule: Obj, at: int) -> dict[str, Any] | None:
    """The phase that holds at the second `at`; None after the last or before the first."""
    for phase in schedule["phases"]:
        if phase["start_date"] <= at < phase["end_date"]:
            found: dict[str, Any] = phase
            return found
    return None


PRICING = ("automatic_tax", "default_tax_rates", "discounts")
"""The fields of a subscription, beside its items, that a phase sets and that change what is billed."""


def enter_next_phase(ctx: Ctx, subscription: Obj) -> None:
    """Give a copy of a subscription what it has now if its schedule enters another phase by this time."""
    schedule = (
        ctx.store.find("subscription_schedule", subscription["schedule"])
        if subscription["schedule"]
        else None
    )
    phase = phase_at(schedule, ctx.now) if schedule and schedule["status"] == "active" else None
    current = schedule["current_phase"] if schedule else None
    if schedule is None or phase is None or (current and current["start_date"] == phase["start_date"]):
        return
    phase = public(phase)
    take_phase_pricing(ctx, subscription, schedule, phase)
    items = items_of_phase(ctx, subscription, phase)
    subscription["billing_cycle_anchor"] = anchor_of_phase(ctx, subscription, items, phase)
    set_items(subscription, items)


def take_phase_pricing(ctx: Ctx, subscription: Obj, schedule: Obj, phase: dict[str, Any]) -> None:
    """Give a subscription a phase's discounts and taxes; coupons are redeemed as the phase begins.

    A phase that says nothing of discounts has the customer's, one that says "none" has none: in both cases
    the subscription loses its own.
    """
    phase["discounts"] = _redeemed(ctx, subscription, phase["discounts"], subscription=subscription["id"])
    subscription["discounts"] = [entry["discount"] for entry in phase["discounts"]]
    subscription["_inherits"] = phase["start_date"] not in schedule["_without_discounts"]
    for entry in phase["items"]:
        entry["discounts"] = _redeemed(ctx, subscription, entry["discounts"])
    subscription["default_tax_rates"] = public(phase["default_tax_rates"])
    tax = phase["automatic_tax"] or schedule["default_settings"]["automatic_tax"]
    if tax["enabled"] != subscription["automatic_tax"]["enabled"]:
        subscription["automatic_tax"] = automatic_tax.of_subscription(tax["enabled"])


def _redeemed(ctx: Ctx, target: Obj, entries: list[dict[str, Any]], **owner: str) -> list[dict[str, Any]]:
    """The discounts of a phase once it holds: those that exist by then, and a new one for each coupon."""
    given = [{name: value for name, value in entry.items() if value} for entry in entries]
    ids = discounts.redeem(
        ctx,
        [entry for entry in given if "discount" not in entry or discounts.running(ctx, [entry["discount"]])],
        param="phases[discounts]",
        customer=target["customer"],
        currency=target["currency"],
        **owner,
    )
    return [discount_entry(discount=id) for id in ids]


def phase_items(items: list[Obj]) -> list[dict[str, Any]]:
    """A subscription's items as a phase writes them."""
    return [
        phase_item(
            item["price"]["id"],
            item["quantity"],
            dict(item["metadata"]),
            [discount_entry(discount=id) for id in item["discounts"]],
            public(item["tax_rates"]),
        )
        for item in items
    ]


def discount_entry(**given: str) -> dict[str, Any]:
    """A discount as a phase writes it: by what it is asked for."""
    return {"coupon": None, "discount": None, "promotion_code": None, **given}


def phase_item(
    price: str,
    quantity: int,
    metadata: dict[str, str],
    discounts: list[dict[str, Any]],
    tax_rates: list[Obj],
) -> dict[str, Any]:
    """One item of a phase."""
    return {
        "billing_thresholds": None,
        "discounts": discounts,
        "metadata": metadata,
        "plan": price,
        "price": price,
        "quantity": quantity,
        "tax_rates": tax_rates,
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
        phase["discounts"] = [discount_entry(discount=id) for id in subscription["discounts"]]
        phase["default_tax_rates"] = public(subscription["default_tax_rates"])
        phase["automatic_tax"] = public(subscription["automatic_tax"])
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
        item["discounts"] = [entry["discount"] for entry in wanted["discounts"] if entry["discount"]]
        item["tax_rates"] = public(wanted["tax_rates"])
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
