"""Coupons: https://docs.stripe.com/api/coupons."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from stripe.params import (
    CouponCreateParams,
    CouponDeleteParams,
    CouponListParams,
    CouponRetrieveParams,
    CouponUpdateParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, expandable, invalid, merge_metadata, missing, public, route
from ..core.updates import changed

KIND = "coupon"


@route("POST", "/v1/coupons", params=CouponCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Make a coupon of a percentage, or of an amount in a currency."""
    given = ctx.params
    id = given.get("id") or secrets.token_urlsafe(6).replace("-", "a").replace("_", "b")
    if ctx.store.find(KIND, id) is not None:
        raise invalid("Coupon already exists.", code="resource_already_exists", param="id")
    percent, amount, currency = _worth(given)
    duration = given.get("duration", "once")
    months = given.get("duration_in_months")
    if (duration == "repeating") != (months is not None):
        message = "`duration_in_months` must be given exactly when `duration` is `repeating`."
        raise invalid(message, param="duration_in_months")
    coupon: Obj = {
        "id": id,
        "object": KIND,
        "amount_off": amount,
        "created": ctx.now,
        "currency": currency,
        "duration": duration,
        "duration_in_months": months,
        "livemode": False,
        "max_redemptions": given.get("max_redemptions"),
        "metadata": merge_metadata(None, given.get("metadata")),
        "name": given.get("name"),
        "percent_off": percent,
        "redeem_by": given.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
        "_applies_to": _products(ctx, given.get("applies_to")),
        "_currency_options": public(given.get("currency_options") or {}),
    }
    ctx.store.put(coupon)
    ctx.emit("coupon.created", coupon)
    return coupon


@route("GET", "/v1/coupons/{id}", params=CouponRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One coupon."""
    return _current(ctx, ctx.store.get(KIND, ctx.path["id"], param="coupon"))


@route("POST", "/v1/coupons/{id}", params=CouponUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change name, metadata and other currencies; what it is worth stays."""
    coupon = ctx.store.get(KIND, ctx.path["id"], param="coupon")
    before = public(coupon)
    if "name" in ctx.params:
        coupon["name"] = ctx.params["name"] or None
    coupon["metadata"] = merge_metadata(coupon["metadata"], ctx.params.get("metadata"))
    coupon["_currency_options"].update(public(ctx.params.get("currency_options") or {}))
    return _current(ctx, changed(ctx, coupon, before, "coupon.updated"))


@route("DELETE", "/v1/coupons/{id}", params=CouponDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Delete a coupon: no new use, its promotion codes are archived; discounts that there are stay."""
    coupon = ctx.store.get(KIND, ctx.path["id"], param="coupon")
    for code in ctx.store.related("promotion_code", "promotion.coupon", coupon["id"]):
        if code["active"]:
            code["active"] = False
            ctx.store.put(code)
            ctx.emit("promotion_code.updated", code, {"active": True})
    ctx.store.delete(KIND, coupon["id"], tombstone=True)
    ctx.emit("coupon.deleted", coupon)
    return {"id": coupon["id"], "object": KIND, "deleted": True}


@route("GET", "/v1/coupons", params=CouponListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Coupons, newest first."""
    found = ctx.store.all(KIND, lambda coupon: within(coupon["created"], ctx.params.get("created")))
    page = ctx.page(found, "/v1/coupons")
    page["data"] = [_current(ctx, coupon) for coupon in page["data"]]
    return page


def usable(ctx: Ctx, id: str, *, param: str) -> Obj:
    """The coupon, if it can be redeemed now; raises 400 otherwise."""
    coupon = ctx.store.find(KIND, id)
    if coupon is None:
        raise missing("coupon", id, param=param, status=400)
    if not is_valid(coupon, ctx.now):
        raise invalid(f"Coupon {id} is used up or has expired.", code="coupon_expired", param=param)
    return coupon


def is_valid(coupon: Obj, now: int) -> bool:
    """Whether a coupon can still be redeemed."""
    used_up = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    return not used_up and (coupon["redeem_by"] is None or now <= coupon["redeem_by"])


def amounts(coupon: Obj) -> dict[str, int]:
    """What an amount's coupon takes off, by currency."""
    if coupon["percent_off"] is not None:
        return {}
    others = {currency: option["amount_off"] for currency, option in coupon["_currency_options"].items()}
    return {**others, coupon["currency"]: coupon["amount_off"]}


def require_currency(coupon: Obj, currency: str, *, param: str) -> None:
    """Refuse an amount's coupon that has no amount in this currency."""
    known = amounts(coupon)
    if known and currency not in known:
        message = f"The coupon {coupon['id']} takes off an amount in {', '.join(known)}, not in {currency}."
        raise invalid(message, param=param)


def _worth(given: dict[str, Any]) -> tuple[float | None, int | None, str | None]:
    percent, amount = given.get("percent_off"), given.get("amount_off")
    if (percent is None) == (amount is None):
        raise invalid(
            "You must pass exactly one of `percent_off` and `amount_off`.",
            code="parameter_missing" if percent is None else None,
            param="percent_off",
        )
    if percent is not None:
        if not Decimal(0) < Decimal(str(percent)) <= 100:
            raise invalid("percent_off must be above 0 and at most 100.", param="percent_off")
        return percent, None, None
    if amount is None or amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param="amount_off",
        )
    if not given.get("currency"):
        raise invalid("Missing required param: currency.", code="parameter_missing", param="currency")
    return None, amount, str(given["currency"]).lower()


def _products(ctx: Ctx, given: dict[str, Any] | None) -> list[str] | None:
    products = (given or {}).get("products")
    for index, id in enumerate(products or []):
        ctx.store.get("product", id, param=f"applies_to[products][{index}]", status=400)
    return list(products) if products else None


def _current(ctx: Ctx, coupon: Obj) -> Obj:
    """The coupon, with whether it is valid now: a date may have passed since."""
    return {**coupon, "valid": is_valid(coupon, ctx.now)}


expandable(
    KIND, "applies_to", lambda ctx, coupon: coupon["_applies_to"] and {"products": coupon["_applies_to"]}
)
expandable(KIND, "currency_options", lambda ctx, coupon: coupon["_currency_options"])
