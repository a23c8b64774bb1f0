"""The items of a schedule's phase as a request asks for them, those that are billed once among them.

https://docs.stripe.com/api/subscription_schedules/create
"""

from typing import Any

from ..catalog import price_shapes
from ..catalog.catalog import price_for
from ..core.kernel import Ctx, Obj, invalid, merge_metadata
from ..discounts import coupons, discounts
from ..taxes import tax_rates
from .schedule_phases import discount_entry, phase_item

MOST_EXTRAS = 20


def item_asked(ctx: Ctx, entry: dict[str, Any], where: str) -> dict[str, Any]:
    """One item of a phase; what the entry leaves out, a discount or a tax rate, it doesn't have."""
    for name in ("billing_thresholds", "trial_offer"):
        if entry.get(name):
            raise invalid(f"This stand-in does not support {name} on items.", param=f"{where}[{name}]")
    price = _price(ctx, entry, where, recurring=True)
    metered = price["recurring"]["usage_type"] == "metered"
    return phase_item(
        price["id"],
        None if metered else entry.get("quantity", 1),
        merge_metadata(None, entry.get("metadata")),
        discounts_asked(ctx, entry.get("discounts"), f"{where}[discounts]", ctx.now),
        tax_rates.chosen(ctx, entry.get("tax_rates"), param=f"{where}[tax_rates]"),
    )


def extras_asked(ctx: Ctx, given: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """What a phase bills once, with its next invoice."""
    if len(given) > MOST_EXTRAS:
        raise invalid(f"You may pass at most {MOST_EXTRAS} items.", param=where)
    return [_extra(ctx, entry, f"{where}[{index}]") for index, entry in enumerate(given)]


def require_currency(ctx: Ctx, entries: list[dict[str, Any]], currency: str, where: str) -> None:
    """Refuse coupons that take an amount off in other currencies only."""
    for index, entry in enumerate(entries):
        if entry["coupon"]:
            coupon = ctx.store.get("coupon", entry["coupon"])
            coupons.require_currency(coupon, currency, param=f"{where}[{index}][coupon]")


def discounts_asked(ctx: Ctx, given: Any, where: str, start: int) -> list[dict[str, Any]]:
    """What a phase asks for, checked now and redeemed when it begins."""
    entries = []
    for index, entry in enumerate(given or []):
        if entry.get("coupon"):
            coupons.usable(ctx, entry["coupon"], param=f"{where}[{index}][coupon]")
        elif entry.get("discount"):
            discounts.require(ctx, entry["discount"], start, param=f"{where}[{index}][discount]")
        elif not entry.get("promotion_code"):
            message = "Each discount must be exactly one of: coupon, discount, promotion_code."
            raise invalid(message, param=f"{where}[{index}]")
        entries.append(discount_entry(**entry))
    return entries


def _extra(ctx: Ctx, entry: dict[str, Any], where: str) -> dict[str, Any]:
    period = entry.get("period") or {}
    return {
        "discountable": entry.get("discountable"),
        "discounts": discounts_asked(ctx, entry.get("discounts"), f"{where}[discounts]", ctx.now),
        "metadata": merge_metadata(None, entry.get("metadata")),
        "period": {
            "end": {"type": "min_item_period_end", **period.get("end", {})},
            "start": {"type": "max_item_period_start", **period.get("start", {})},
        },
        "price": _price(ctx, entry, where, recurring=False)["id"],
        "quantity": entry.get("quantity", 1),
        "tax_rates": tax_rates.chosen(ctx, entry.get("tax_rates"), param=f"{where}[tax_rates]"),
    }


def _price(ctx: Ctx, entry: dict[str, Any], where: str, *, recurring: bool) -> Obj:
    """The price that an entry names, or the one that its `price_data` makes for this use alone."""
    given, data = entry.get("price") or entry.get("plan"), entry.get("price_data")
    if given and data:
        message = "You may only specify one of these parameters: price, price_data."
        raise invalid(message, param=f"{where}[price_data]")
    if data:
        product = ctx.store.get("product", data["product"], param=f"{where}[price_data][product]", status=400)
        made = price_shapes.make(ctx, product, {**data, "active": False})
        made["_inline"] = True
        return ctx.store.put(made)
    if not given:
        param = f"{where}[price]"
        raise invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)
    return price_for(ctx, given, param=f"{where}[price]", recurring=recurring)
