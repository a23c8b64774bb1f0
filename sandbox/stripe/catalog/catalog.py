"""What billing needs of a price: its charge, the plan that mirrors it, the item that holds it."""

from decimal import Decimal
from typing import Any

from ..core.kernel import Ctx, Obj, Store, invalid, public
from .proration import Charge, Terms
from .scales import Scale, Tier


def price_for(ctx: Ctx, id: str, *, param: str, recurring: bool = True) -> Obj:
    """The active price of that id; raises 400 for an unknown, inactive or unsuitable one.

    One that was made by `price_data` is never active, and goes on with what it was made for.
    """
    price = ctx.store.get("price", id, param=param, status=400)
    if not price["active"] and not price.get("_inline"):
        raise invalid("The price specified is inactive. This field only accepts active prices.", param=param)
    if recurring and price["type"] != "recurring":
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with "
            "`type=recurring`.",
            param=param,
        )
    if not recurring and price["type"] != "one_time":
        raise invalid(
            "The price specified is set to `type=recurring` but this field only accepts prices with "
            "`type=one_time`.",
            param=param,
        )
    return price


def charge_of(store: Store, price: Obj, quantity: int, currency: str | None = None) -> Charge:
    """The price times the quantity, with its product's name; in another of its currencies if that is said."""
    currency = currency or price["currency"]
    product = store.find("product", price["product"])
    every = price["recurring"] or {"interval": "month", "interval_count": 1}
    return Charge(
        price=price["id"],
        product=price["product"],
        name=product["name"] if product else price["product"],
        scale=_scale(store, price, currency),
        currency=currency,
        interval=every["interval"],
        interval_count=every["interval_count"],
        quantity=quantity,
        unit_label=product["unit_label"] if product else None,
    )


def currencies_of(store: Store, price: Obj) -> set[str]:
    """The currencies in which a price can be charged."""
    return {price["currency"], *store.get("price", price["id"])["_options"]}


def _scale(store: Store, price: Obj, currency: str) -> Scale:
    stored = store.get("price", price["id"])  # a copy of a price shows neither tiers nor other currencies
    amounts = stored if currency == price["currency"] else stored["_options"][currency]
    if price["billing_scheme"] == "per_unit":
        package = price["transform_quantity"] or {"divide_by": 1, "round": "up"}
        return Scale(Decimal(amounts["unit_amount_decimal"]), package["divide_by"], package["round"])
    return Scale(
        tiers=tuple(
            Tier(
                tier["up_to"],
                Decimal(tier["unit_amount_decimal"] or 0),
                Decimal(tier["flat_amount_decimal"] or 0),
            )
            for tier in amounts["_tiers"]
        ),
        mode=price["tiers_mode"],
    )


def item_charge(store: Store, item: Obj, currency: str) -> Charge:
    """The charge of a subscription item; a metered one costs nothing until something is used."""
    return charge_of(store, item["price"], item.get("quantity", 0), currency)


def terms_of(item: Obj) -> Terms:
    """The discounts and taxes of a subscription item itself."""
    rates = tuple(rate["id"] for rate in item["tax_rates"])
    return Terms(tuple(item["discounts"]), rates or None)


def is_metered(price: Obj) -> bool:
    """Whether a price is of what is used."""
    return bool(price["recurring"] and price["recurring"]["usage_type"] == "metered")


def every(price: Obj) -> tuple[str, int]:
    """The interval and interval count of a recurring price."""
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def plan_of(price: Obj) -> Obj:
    """The legacy plan that Stripe shows beside a recurring price."""
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": False,
        "metadata": dict(price["metadata"]),
        "meter": price["recurring"]["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": public(price["transform_quantity"]),
        "trial_period_days": None,
        "usage_type": price["recurring"]["usage_type"],
    }


def subscription_item(
    ctx: Ctx,
    subscription: str,
    price: Obj,
    quantity: int | None,
    metadata: dict[str, str],
    period: tuple[int, int],
    where: str,
) -> Obj:
    """A new subscription item in Stripe's shape, kept inside its subscription; `where` names it in errors."""
    item: Obj = {
        "id": ctx.store.new_id("si"),
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": None,
        "created": ctx.now,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "discounts": [],
        "metadata": metadata,
        "plan": plan_of(price),
        "price": public(price),
        "subscription": subscription,
        "tax_rates": [],
    }
    count(item, quantity, f"{where}[quantity]")
    return item


def count(item: Obj, quantity: int | None, param: str) -> None:
    """Give an item its quantity, 1 unless said; a metered one has none.

    Raises 400 for the quantity of a metered price.
    """
    if not is_metered(item["price"]):
        item["quantity"] = 1 if quantity is None else quantity
        return
    if quantity is not None:
        raise invalid("You cannot set the quantity for metered plans.", param=param)
    item.pop("quantity", None)


def reprice(item: Obj, price: Obj) -> None:
    """Put another price on a subscription item."""
    item["price"], item["plan"] = public(price), plan_of(price)


def pricing_of(charge: Charge, kind: str = "recurring") -> dict[str, Any]:
    """The `pricing` of an invoice item or line: a trial's unit costs nothing, a proration has none.

    Recorded behavior.
    """
    unit = None if charge.scale.mode or kind in ("credit", "debit") else format(charge.scale.unit, "f")
    return {
        "price_details": {"price": charge.price, "product": charge.product},
        "type": "price_details",
        "unit_amount_decimal": "0" if kind == "trial" else unit,
    }
