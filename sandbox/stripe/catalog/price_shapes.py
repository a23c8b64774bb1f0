"""What a price looks like when it is made: https://docs.stripe.com/api/prices/object."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..core.currencies import SUPPORTED
from ..core.kernel import Ctx, Obj, StripeError, expandable, invalid, merge_metadata, public
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
    tiered = given.get("billing_scheme") == "tiered"
    recurring = _recurring(ctx, given.get("recurring"))
    price: Obj = {
        "id": ctx.store.new_id("price"),
        "object": "price",
        "active": given.get("active", True),
        "billing_scheme": "tiered" if tiered else "per_unit",
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
        "tiers_mode": _tiers_mode(given, tiered),
        "transform_quantity": _package(given, tiered),
        "type": "recurring" if recurring else "one_time",
        **_costs(given, tiered),
        "_options": {},
    }
    take_options(price, given)
    take_lookup_key(ctx, price, given)
    ctx.store.put(price)
    ctx.emit("price.created", price)
    return price


def take_options(price: Obj, given: dict[str, Any]) -> None:
    """What a price costs in other currencies; those that it has are overwritten, "" takes all away.

    Raises 400, by the option's name, for what is wrong with an amount. https://docs.stripe.com/payments/currencies
    """
    if given.get("currency_options") == "":
        price["_options"] = {}
        return
    for currency, option in (given.get("currency_options") or {}).items():
        where = f"currency_options[{currency}]"
        if currency not in SUPPORTED:
            raise invalid(f"Invalid currency: {currency}.", param=where)
        if "custom_unit_amount" in option:
            name = f"{where}[custom_unit_amount]"
            raise invalid(f"This stand-in does not support the parameter {name}.", param=name)
        try:
            costs = _costs(option, price["billing_scheme"] == "tiered")
        except StripeError as error:
            error.param = f"{where}[{error.param}]"
            raise
        if currency != price["currency"]:
            behavior = option.get("tax_behavior", "unspecified")
            price["_options"][currency] = {"tax_behavior": behavior, **costs}


def _options(ctx: Ctx, price: Obj) -> Obj:
    """Every currency of a price, its own among them, with what it costs there."""
    stored = ctx.store.get("price", price["id"])
    options = {stored["currency"]: stored, **stored["_options"]}
    return {
        currency: {
            "custom_unit_amount": None,
            "tax_behavior": option["tax_behavior"],
            "tiers": option["_tiers"],
            "unit_amount": option["unit_amount"],
            "unit_amount_decimal": option["unit_amount_decimal"],
        }
        for currency, option in options.items()
    }


def _costs(given: dict[str, Any], tiered: bool) -> Obj:
    amount = None if tiered else _amount(given)
    return {
        "unit_amount": None if amount is None else _whole(amount),
        "unit_amount_decimal": None if amount is None else format(amount.normalize(), "f"),
        "_tiers": _tiers(given) if tiered else None,
    }


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


def _tiers_mode(given: dict[str, Any], tiered: bool) -> str | None:
    mode: str | None = given.get("tiers_mode")
    if tiered and mode is None:
        param = "tiers_mode"
        raise invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)
    for name in ("tiers", "tiers_mode"):
        if not tiered and name in given:
            raise invalid(f"`{name}` can only be set if `billing_scheme=tiered`.", param=name)
    return mode


def _package(given: dict[str, Any], tiered: bool) -> dict[str, Any] | None:
    package = given.get("transform_quantity")
    if package and tiered:
        raise invalid("`transform_quantity` can't be combined with `tiers`.", param="transform_quantity")
    if package and package["divide_by"] < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid(message, code="parameter_invalid_integer", param="transform_quantity[divide_by]")
    return public(package) if package else None


def _tiers(given: dict[str, Any]) -> list[Obj]:
    """The tiers, each above the one before and the last without an end."""
    tiers = given.get("tiers") or []
    for name in ("unit_amount", "unit_amount_decimal"):
        if name in given:
            raise invalid(f"`{name}` can't be set if `billing_scheme=tiered`.", param=name)
    ends = [tier["up_to"] for tier in tiers]
    if not tiers or ends[-1] != "inf" or ends[:-1] != sorted({end for end in ends[:-1] if end != "inf"}):
        message = "Tiers must be in the order of their `up_to`, and the last must be up to `inf`."
        raise invalid(message, param="tiers")
    return [_tier(tier, index) for index, tier in enumerate(tiers)]


def _tier(tier: dict[str, Any], index: int) -> Obj:
    shown: Obj = {"up_to": None if tier["up_to"] == "inf" else tier["up_to"]}
    for name in ("unit_amount", "flat_amount"):
        exact = tier.get(f"{name}_decimal", tier.get(name))
        amount = None if exact is None else Decimal(exact)
        shown[name] = None if amount is None else _whole(amount)
        shown[f"{name}_decimal"] = None if amount is None else format(amount.normalize(), "f")
    if shown["unit_amount_decimal"] is None and shown["flat_amount_decimal"] is None:
        message = "Each tier needs a unit_amount or a flat_amount."
        raise invalid(message, param=f"tiers[{index}]")
    return shown


def _whole(amount: Decimal) -> int | None:
    return int(amount) if amount == amount.to_integral_value() else None


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


def _recurring(ctx: Ctx, given: dict[str, Any] | None) -> Obj | None:
    if given is None:
        return None
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
        "meter": _meter(ctx, given),
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": given.get("usage_type", "licensed"),
    }


def _meter(ctx: Ctx, given: dict[str, Any]) -> str | None:
    """The meter of a metered price; a licensed one has none."""
    metered, meter = given.get("usage_type") == "metered", given.get("meter")
    if metered != bool(meter):
        message = "A metered price needs a `meter`; a licensed one can't have any."
        raise invalid(message, param="recurring[meter]")
    if meter is None:
        return None
    found = ctx.store.get("billing.meter", meter, param="recurring[meter]", status=400)
    if found["status"] != "active":
        raise invalid(f"The meter {meter} is not active.", param="recurring[meter]")
    return str(meter)


expandable("price", "currency_options", _options)
expandable("price", "tiers", lambda ctx, price: ctx.store.get("price", price["id"])["_tiers"])
