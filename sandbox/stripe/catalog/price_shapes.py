"""What a price looks like when it is made: https://docs.stripe.com/api/prices/object."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..core.currencies import SUPPORTED
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public
from ..core.updates import changed

MAX_INTERVAL_COUNT = {"day": 1095, "week": 156, "month": 36, "year": 3}
"""Stripe allows three years at most."""


def make(ctx: Ctx, product: Obj, given: dict[str, Any]) -> Obj:
    """A price of a product with the fields of `given`; stored, and told of."""
    currency = given["currency"].lower()
    if currency not in SUPPORTED:
        listed = ", ".join(SUPPORTED)
        message = f"Invalid currency: {currency}. Stripe currently supports these currencies: {listed}"
        raise invalid(message, param="currency")
    amount = _amount(given)
    recurring = _recurring(given.get("recurring"))
    price: Obj = {
        "id": ctx.store.new_id("price"),
        "object": "price",
        "active": given.get("active", True),
        "billing_scheme": "per_unit",
        "created": ctx.now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": merge_metadata(None, given.get("metadata")),
        "nickname": given.get("nickname"),
        "product": product["id"],
        "recurring": recurring,
        "tax_behavior": given.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": int(amount) if amount == amount.to_integral_value() else None,
        "unit_amount_decimal": format(amount.normalize(), "f"),
    }
    take_lookup_key(ctx, price, given)
    ctx.store.put(price)
    ctx.emit("price.created", price)
    return price


def take_lookup_key(ctx: Ctx, price: Obj, given: dict[str, Any]) -> None:
    """Give the price its lookup key; another price loses it when `transfer_lookup_key` says so."""
    key = given.get("lookup_key")
    if key is None or key == price["lookup_key"]:
        return
    for other in ctx.store.related("price", "lookup_key", key):
        if not given.get("transfer_lookup_key"):
            raise invalid(f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key")
        before = public(other)
        other["lookup_key"] = None
        changed(ctx, other, before, "price.updated")
    price["lookup_key"] = key


def _amount(given: dict[str, Any]) -> Decimal:
    """The unit amount in minor units, of whichever of the two forms was given."""
    whole: int | None = given.get("unit_amount")
    exact: str | None = given.get("unit_amount_decimal")
    if (whole is None) == (exact is None):
        raise invalid(
            "Prices require exactly one of `unit_amount` or `unit_amount_decimal`.",
            code="parameter_missing" if whole is None else None,
            param="unit_amount",
        )
    amount = Decimal(exact if exact is not None else whole or 0)
    if amount < 0:
        raise invalid(
            "This value must be greater than or equal to 0.",
            code="parameter_invalid_integer",
            param="unit_amount",
        )
    return amount


def _recurring(given: dict[str, Any] | None) -> Obj | None:
    if given is None:
        return None
    if given.get("usage_type") == "metered" or "meter" in given:
        raise invalid("This stand-in does not support metered prices.", param="recurring[usage_type]")
    interval, count = given["interval"], given.get("interval_count", 1)
    most = MAX_INTERVAL_COUNT[interval]
    if not 1 <= count <= most:
        raise invalid(
            f"Invalid interval_count: must be between 1 and {most} for the interval {interval}.",
            param="recurring[interval_count]",
        )
    return {
        "interval": interval,
        "interval_count": count,
        "meter": None,
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": "licensed",
    }
