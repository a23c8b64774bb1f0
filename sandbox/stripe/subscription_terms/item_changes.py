"""The items of a subscription before and after an update's `items`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..catalog import intervals
from ..catalog.catalog import count, currencies_of, every, item_charge, price_for, reprice, subscription_item
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, missing, public
from ..core.periods import period_at, shift
from .shapes import items_of
from .terms import take_item_pricing


@dataclass(slots=True)
class Pair:
    """An item before and after; None where it is added or removed."""

    old: Obj | None
    new: Obj | None

    @property
    def moved(self) -> bool:
        """Whether the item stays and its billing interval changed."""
        if self.old is None or self.new is None:
            return False
        return every(self.old["price"]) != every(self.new["price"])

    @property
    def changed(self) -> bool:
        """Whether what is charged for the item changed."""
        if self.old is None or self.new is None:
            return True
        return bool(
            self.old["price"]["id"] != self.new["price"]["id"]
            or self.old.get("quantity") != self.new.get("quantity")
        )


def pairs_of(ctx: Ctx, subscription: Obj, asked: list[dict[str, Any]]) -> list[Pair]:
    """Every item before and after. A price without quantity means 1; an entry without id adds an item."""
    after = {item["id"]: public(item) for item in items_of(subscription)}
    removed: set[str] = set()
    added: list[Obj] = []
    for index, entry in enumerate(asked):
        where = f"items[{index}]"
        if not entry.get("id"):
            added.append(_added(ctx, subscription, entry, where))
            continue
        if entry["id"] not in after:
            raise missing("subscription item", entry["id"], param=f"{where}[id]", status=400)
        if entry.get("deleted"):
            removed.add(entry["id"])
        else:
            _change_item(ctx, subscription, after[entry["id"]], entry, where)
    left = [item for id, item in after.items() if id not in removed] + added
    _check_together(ctx, subscription, left)
    pairs = [
        Pair(item, None if item["id"] in removed else after[item["id"]]) for item in items_of(subscription)
    ]
    return pairs + [Pair(None, item) for item in added]


def becomes_paid(ctx: Ctx, currency: str, before: Iterable[Obj], after: Iterable[Obj]) -> bool:
    """Whether items that cost nothing become items that cost something."""

    def cost(items: Iterable[Obj]) -> bool:
        return any(item_charge(ctx.store, item, currency).whole for item in items)

    return not cost(before) and cost(after)


def place_new_items(subscription: Obj, pairs: list[Pair], at: int) -> None:
    """An added item shares the period of the others on its interval, else it has the one of its own cycle."""
    kept = [pair.old for pair in pairs if pair.old]
    for pair in pairs:
        if pair.new is None or pair.old is not None:
            continue
        alike = next((item for item in kept if every(item["price"]) == every(pair.new["price"])), None)
        if alike:
            period = alike["current_period_start"], alike["current_period_end"]
        else:
            period = period_at(subscription["billing_cycle_anchor"], *every(pair.new["price"]), at)
        pair.new["current_period_start"], pair.new["current_period_end"] = period


def place_moved_items(ctx: Ctx, subscription: Obj, pairs: list[Pair]) -> None:
    """An item whose interval changes while the anchor stays: its new period begins where the old one did.

    A shorter period that would be over by now is the one of the anchor's cycle that contains this second
    (`Switches.shorter_interval`: or begins now). Recorded behavior of flexible billing mode for the longer.
    """
    for pair in pairs:
        if not pair.moved or pair.new is None:
            continue
        interval, count = every(pair.new["price"])
        start = pair.new["current_period_start"]
        end = shift(start, interval, count)
        if end <= ctx.now and ctx.switches.shorter_interval == "now":
            start, end = ctx.now, shift(ctx.now, interval, count)
        elif end <= ctx.now:
            start, end = period_at(subscription["billing_cycle_anchor"], interval, count, ctx.now)
        pair.new["current_period_start"], pair.new["current_period_end"] = start, end


def _change_item(ctx: Ctx, subscription: Obj, item: Obj, entry: dict[str, Any], where: str) -> None:
    price = entry.get("price") or entry.get("plan")
    if price and price != item["price"]["id"]:
        reprice(item, price_for(ctx, price, param=f"{where}[price]"))
        count(item, entry.get("quantity"), f"{where}[quantity]")
    elif "quantity" in entry:
        count(item, entry["quantity"], f"{where}[quantity]")
    item["metadata"] = merge_metadata(item["metadata"], entry.get("metadata"))
    take_item_pricing(ctx, subscription, item, entry, where)


def _added(ctx: Ctx, subscription: Obj, entry: dict[str, Any], where: str) -> Obj:
    price = entry.get("price") or entry.get("plan")
    if not price:
        raise invalid(
            f"Missing required param: {where}[price].", code="parameter_missing", param=f"{where}[price]"
        )
    metadata = merge_metadata(None, entry.get("metadata"))
    found = price_for(ctx, price, param=f"{where}[price]")
    span = (ctx.now, ctx.now)
    item = subscription_item(ctx, subscription["id"], found, entry.get("quantity"), metadata, span, where)
    take_item_pricing(ctx, subscription, item, entry, where)
    return item


def _check_together(ctx: Ctx, subscription: Obj, items: list[Obj]) -> None:
    if not items:
        raise invalid(
            "A subscription must have at least one active item. To end it, cancel the subscription.",
            param="items",
        )
    if len(items) > 20:
        raise invalid("A subscription can have at most 20 items.", param="items")
    prices = [item["price"]["id"] for item in items]
    for price in prices:
        if prices.count(price) > 1 and ctx.switches.same_price_twice == "refused":
            raise invalid(
                f"Cannot add multiple subscription items with the same plan: {price}", param="items"
            )
    for item in items:
        if subscription["currency"] not in (supported := currencies_of(ctx.store, item["price"])):
            raise invalid(
                f"The price specified only supports {', '.join(sorted(supported))}. This doesn't match "
                f"the expected currency: {subscription['currency']}.",
                param="items",
            )
    intervals.check_together([item["price"] for item in items], subscription["billing_mode"]["type"])
