"""Promotion codes, by which customers redeem coupons: https://docs.stripe.com/api/promotion_codes."""

from __future__ import annotations

import re
import secrets
from typing import Any

from stripe.params import (
    PromotionCodeCreateParams,
    PromotionCodeListParams,
    PromotionCodeRetrieveParams,
    PromotionCodeUpdateParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, missing, public, route
from ..core.updates import changed, not_built
from . import coupons

KIND = "promotion_code"


@route("POST", "/v1/promotion_codes", params=PromotionCodeCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Make a code for a coupon; among a customer's active codes it is the only one of its letters."""
    given = ctx.params
    if given["promotion"]["type"] != "coupon":
        raise invalid("A promotion is of a coupon.", param="promotion[type]")
    id = given["promotion"].get("coupon")
    if not id:
        param = "promotion[coupon]"
        raise invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)
    coupon = coupons.usable(ctx, id, param="promotion[coupon]")
    if given.get("customer"):
        ctx.store.get("customer", given["customer"], param="customer", status=400)
    code: Obj = {
        "id": ctx.store.new_id("promo"),
        "object": KIND,
        "active": given.get("active", True),
        "code": _letters(ctx, given),
        "created": ctx.now,
        "customer": given.get("customer"),
        "customer_account": None,
        "expires_at": _within(given.get("expires_at"), coupon["redeem_by"], "expires_at"),
        "livemode": False,
        "max_redemptions": _within(
            given.get("max_redemptions"), coupon["max_redemptions"], "max_redemptions"
        ),
        "metadata": merge_metadata(None, given.get("metadata")),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": _restrictions(given.get("restrictions") or {}),
        "times_redeemed": 0,
    }
    ctx.store.put(code)
    ctx.emit("promotion_code.created", code)
    return code


@route("GET", "/v1/promotion_codes/{id}", params=PromotionCodeRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One promotion code."""
    return ctx.store.get(KIND, ctx.path["id"], param="promotion_code")


@route("POST", "/v1/promotion_codes/{id}", params=PromotionCodeUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Switch a code on or off; only one of a valid coupon can be on."""
    not_built(ctx, "restrictions")
    code = ctx.store.get(KIND, ctx.path["id"], param="promotion_code")
    before = public(code)
    if ctx.params.get("active"):
        coupons.usable(ctx, code["promotion"]["coupon"], param="active")
    code["active"] = ctx.params.get("active", code["active"])
    code["metadata"] = merge_metadata(code["metadata"], ctx.params.get("metadata"))
    return changed(ctx, code, before, "promotion_code.updated")


@route("GET", "/v1/promotion_codes", params=PromotionCodeListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Promotion codes, newest first; `code` in any case."""
    not_built(ctx, "customer_account")
    params = ctx.params

    def wanted(code: Obj) -> bool:
        return (
            all(params.get(name) in (None, code[name]) for name in ("active", "customer"))
            and params.get("coupon") in (None, code["promotion"]["coupon"])
            and (not params.get("code") or params["code"].upper() == code["code"].upper())
            and within(code["created"], params.get("created"))
        )

    return ctx.page(ctx.store.all(KIND, wanted), "/v1/promotion_codes")


def usable(ctx: Ctx, id: str, customer: str, *, param: str) -> Obj:
    """The code, if this customer can redeem it now; raises 400 otherwise."""
    code = ctx.store.find(KIND, id)
    if code is None:
        raise missing("promotion code", id, param=param, status=400)
    expired = code["expires_at"] is not None and ctx.now > code["expires_at"]
    used_up = code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]
    if not code["active"] or expired or used_up:
        raise invalid("This promotion code is not active.", code="coupon_expired", param=param)
    if code["customer"] not in (None, customer):
        raise invalid("This promotion code is for another customer.", param=param)
    restrictions = code["restrictions"]
    if restrictions["minimum_amount"] is not None:
        raise invalid("This stand-in redeems no promotion code with a minimum amount.", param=param)
    if restrictions["first_time_transaction"] and ctx.store.related("charge", "customer", customer):
        message = "This promotion code can only be redeemed by customers without prior transactions."
        raise invalid(message, param=param)
    return code


def _letters(ctx: Ctx, given: dict[str, Any]) -> str:
    code = given.get("code") or secrets.token_hex(4).upper()
    if not re.fullmatch(r"[A-Za-z0-9-]{1,500}", code):
        raise invalid("A code may have letters, digits and dashes only.", param="code")
    for other in ctx.store.all(KIND, lambda one: one["active"] and one["code"].upper() == code.upper()):
        if other["customer"] in (None, given.get("customer")) or given.get("customer") is None:
            message = f"An active promotion code with `code: {code}` already exists."
            raise invalid(message, param="code")
    return str(code)


def _within(given: int | None, limit: int | None, name: str) -> int | None:
    """A code's limit, which is never wider than its coupon's."""
    if given is not None and limit is not None and given > limit:
        raise invalid(f"A promotion code's {name} can't exceed that of its coupon.", param=name)
    return limit if given is None else given


def _restrictions(given: dict[str, Any]) -> dict[str, Any]:
    amount, currency = given.get("minimum_amount"), given.get("minimum_amount_currency")
    if (amount is None) != (currency is None):
        message = "`minimum_amount` and `minimum_amount_currency` go together."
        raise invalid(message, param="restrictions[minimum_amount]")
    return {
        "first_time_transaction": given.get("first_time_transaction", False),
        "minimum_amount": amount,
        "minimum_amount_currency": currency,
    }
