"""What a schedule's phases mean for its subscription: which one holds when, and what it gives.

https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from typing import Any

from ..catalog.catalog import count, every, reprice, subscription_item
from ..core.kernel import Ctx, Obj, StripeError, merge_metadata, public
from ..core.periods import period_after
from ..discounts import coupons, discounts, promotion_codes
from ..invoices.pending_items import extra_item
from ..taxes import automatic_tax
from .item_changes import becomes_paid
from .shapes import items_of


def phase_at(schedule: Obj, at: int) -> dict[str, Any] | None:
    """The phase that holds at the second `at`; None after the last or before the first."""
    for phase in schedule["phases"]:
        if phase["start_date"] <= at < phase["end_date"]:
            found: dict[str, Any] = phase
            return found
    return None


def schedule_in_force(ctx: Ctx, subscription: Obj) -> Obj | None:
    """The schedule that manages a subscription."""
    id = subscription["schedule"]
    schedule = ctx.store.find("subscription_schedule", id) if id else None
    return schedule if schedule is not None and schedule["status"] == "active" else None


def said_by(schedule: Obj, phase: dict[str, Any], name: str) -> Any:
    """A phase's own word on one of its terms, else that of the schedule's default settings."""
    own = phase[name]
    return schedule["default_settings"][name] if own is None else own


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
    tax = said_by(schedule, phase, "automatic_tax")
    if tax["enabled"] != subscription["automatic_tax"]["enabled"]:
        subscription["automatic_tax"] = automatic_tax.of_subscription(tax["enabled"])


def take_phase_terms(subscription: Obj, schedule: Obj, phase: dict[str, Any]) -> None:
    """Give a subscription a phase's terms of payment and its notes; metadata is merged into what there is."""
    subscription["metadata"] = merge_metadata(subscription["metadata"], phase["metadata"])
    for name in ("collection_method", "default_payment_method", "description"):
        subscription[name] = said_by(schedule, phase, name)
    sends = subscription["collection_method"] == "send_invoice"
    days = said_by(schedule, phase, "invoice_settings")["days_until_due"]
    subscription["days_until_due"] = days if sends else None


def extras_of_phase(
    ctx: Ctx, subscription: Obj, phase: dict[str, Any], spans: list[tuple[int, int]]
) -> list[Obj]:
    """The invoice items that a phase adds to its next invoice, not stored. `spans`: its items' periods."""
    starts = {"max_item_period_start": max(start for start, _ in spans), "phase_start": phase["start_date"]}
    ends = {"min_item_period_end": min(end for _, end in spans), "phase_end": phase["end_date"]}
    made = []
    for entry in phase["add_invoice_items"]:
        start, end = entry["period"]["start"], entry["period"]["end"]
        params: dict[str, Any] = {
            "price": entry["price"],
            "quantity": entry["quantity"],
            "metadata": entry["metadata"],
            "period": {
                "start": start.get("timestamp") or starts[start["type"]],
                "end": end.get("timestamp") or ends[end["type"]],
            },
            "discounts": [{name: id for name, id in one.items() if id} for one in entry["discounts"]],
            "tax_rates": [rate["id"] for rate in entry["tax_rates"]],
        }
        if entry["discountable"] is not None:
            params["discountable"] = entry["discountable"]
        made.append(extra_item(ctx, subscription["customer"], subscription["id"], params))
    return made


def spans_of(ctx: Ctx, items: list[Obj], anchor: int, *, anew: bool) -> list[tuple[int, int]]:
    """The periods of these items from now on; `anew`: all of them begin at the anchor, which is now."""
    spans = []
    for item in items:
        start, end = item["current_period_start"], item["current_period_end"]
        if anew or end <= ctx.now:
            start, end = period_after(anchor, *every(item["price"]), ctx.now if anew else end)
        spans.append((start, end))
    return spans


def leave_out_gone_discounts(ctx: Ctx, customer: str, phase: dict[str, Any]) -> None:
    """Take out of a phase that begins by itself what can no longer be redeemed by then."""
    for holder in (phase, *phase["items"]):
        holder["discounts"] = [entry for entry in holder["discounts"] if _redeemable(ctx, customer, entry)]


def _redeemable(ctx: Ctx, customer: str, entry: dict[str, Any]) -> bool:
    try:
        if entry["coupon"]:
            coupons.usable(ctx, entry["coupon"], param="coupon")
        elif entry["promotion_code"]:
            promotion_codes.usable(ctx, entry["promotion_code"], customer, param="promotion_code")
    except StripeError:
        return False
    return True


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
            item.get("quantity"),
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
    quantity: int | None,
    metadata: dict[str, str],
    discounts: list[dict[str, Any]],
    tax_rates: list[Obj],
) -> dict[str, Any]:
    """One item of a phase; what is billed by usage has no quantity."""
    item = {
        "billing_thresholds": None,
        "discounts": discounts,
        "metadata": metadata,
        "plan": price,
        "price": price,
        "tax_rates": tax_rates,
    }
    return item if quantity is None else {**item, "quantity": quantity}


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
            item = subscription_item(ctx, subscription["id"], price, None, {}, span, "phases[items]")
        if item["price"]["id"] != price["id"]:
            reprice(item, price)
        count(item, wanted.get("quantity"), "phases[items][quantity]")
        item["metadata"] = merge_metadata(item["metadata"], wanted["metadata"])
        item["discounts"] = [entry["discount"] for entry in wanted["discounts"] if entry["discount"]]
        item["tax_rates"] = public(wanted["tax_rates"])
        made.append(item)
    return made


def anchor_of_phase(
    ctx: Ctx, subscription: Obj, schedule: Obj, items: list[Obj], phase: dict[str, Any]
) -> int:
    """The billing cycle anchor in a phase: its start when it asks for that.

    In classic billing mode also when an interval changes, or a price of nothing becomes one of something.
    """
    before = items_of(subscription)
    intervals = {item["id"]: every(item["price"]) for item in before}
    moved = any(every(item["price"]) != intervals.get(item["id"], every(item["price"])) for item in items)
    classic = subscription["billing_mode"]["type"] == "classic"
    resets = moved if ctx.switches.phase_interval == "reset" else False
    resets = resets or (classic and (moved or becomes_paid(ctx, subscription["currency"], before, items)))
    if resets or said_by(schedule, phase, "billing_cycle_anchor") == "phase_start":
        return int(phase["start_date"])
    return int(subscription["billing_cycle_anchor"])
