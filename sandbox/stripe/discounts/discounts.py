"""Discounts: a coupon or promotion code that was redeemed for a customer, subscription, item or invoice.

A subscription without discounts of its own has its customer's, unless it said that it wants none. One that
comes of a `once` coupon is over when an invoice that it lowered is final; one of a `repeating` coupon when
its months are over. What a discount is worth is fixed when it is redeemed.
https://docs.stripe.com/billing/subscriptions/coupons, https://docs.stripe.com/api/discounts
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ..core.kernel import Ctx, Obj, invalid, missing, public
from ..core.periods import shift
from . import coupons, promotion_codes

KIND = "discount"
MOST = 20
"""So many discounts one object may have."""


def redeem(
    ctx: Ctx,
    given: list[dict[str, Any]],
    *,
    param: str,
    customer: str,
    currency: str,
    **owner: str,
) -> list[str]:
    """The ids of the discounts that `discounts` asks for, new ones redeemed now.

    `owner` names what they are for: `subscription`, `subscription_item`, `invoice` or `invoice_item`. By
    `{discount: di_…}` Stripe takes those of the object and of what it belongs to, this any of the customer's.
    Raises 400 for what can't be redeemed.
    """
    if len(given) > MOST:
        raise invalid(f"You may specify at most {MOST} discounts.", param=param)
    found = []
    for index, entry in enumerate(given):
        where = f"{param}[{index}]"
        if len(entry) != 1:
            message = "Each discount must be exactly one of: coupon, discount, promotion_code."
            raise invalid(message, param=where)
        if "discount" in entry:
            found.append(_kept(ctx, entry["discount"], customer, f"{where}[discount]"))
        else:
            found.append(_redeem_one(ctx, entry, where, customer, currency, owner)["id"])
    sources = [_source(ctx, id) for id in found]
    if len(set(sources)) < len(sources):
        raise invalid("You can't pass the same discount, or the same coupon, twice.", param=param)
    return found


def grant(ctx: Ctx, customer: Obj, entry: dict[str, Any], *, param: str) -> None:
    """Give a customer a discount of their own, in place of the one that they have."""
    former = customer["discount"]
    if former:
        _end(ctx, former["id"], tell=False)
    currency = customer["currency"] or ctx.account.default_currency
    discount = _redeem_one(ctx, entry, param, customer["id"], currency, {})
    customer["discount"] = public(discount)
    ctx.store.put(customer)
    if former:
        ctx.emit("customer.discount.updated", discount, {"id": former["id"], "source": former["source"]})
    else:
        ctx.emit("customer.discount.created", discount)


def withdraw(ctx: Ctx, customer: Obj) -> None:
    """Take a customer's own discount away."""
    if customer["discount"]:
        _end(ctx, customer["discount"]["id"])
        customer["discount"] = None
        ctx.store.put(customer)


def of_customer(ctx: Ctx, customer: str) -> Obj | None:
    """The discount that a customer has."""
    shown = ctx.store.get("customer", customer)["discount"]
    discount = find(ctx, shown["id"]) if shown else None
    return discount if discount and _runs(discount, ctx.now) else None


def of_subscription(ctx: Ctx, subscription: Obj) -> list[str]:
    """The discounts that a subscription's invoices have by themselves now, in their order."""
    own = running(ctx, subscription["discounts"])
    if own or not subscription.get("_inherits", True):
        return own
    inherited = of_customer(ctx, subscription["customer"])
    return [inherited["id"]] if inherited else []


def running(ctx: Ctx, ids: Iterable[str]) -> list[str]:
    """Those of these discounts that are not over."""
    return [id for id in ids if _runs(find(ctx, id), ctx.now)]


def find(ctx: Ctx, id: str) -> Obj:
    """A discount, also one that only the preview under way knows."""
    return ctx.unsaved.get(id) or ctx.store.get(KIND, id)


def require(ctx: Ctx, id: str, at: int, *, param: str) -> None:
    """Refuse a discount that isn't there, or that is over by then."""
    discount = ctx.store.find(KIND, id)
    if discount is None or not _runs(discount, at):
        raise missing("discount", id, param=param, status=400)


def worth(discount: Obj, currency: str) -> tuple[Decimal | None, int]:
    """The percentage that it takes off, or the amount in this currency: nothing in one that it isn't for."""
    percent = discount["_percent"]
    if percent is not None:
        return Decimal(str(percent)), 0
    return None, int(discount["_amounts"].get(currency, 0))


def _kept(ctx: Ctx, id: str, customer: str, param: str) -> str:
    discount = ctx.unsaved.get(id) or ctx.store.find(KIND, id)
    if discount is None or discount["customer"] != customer or not _runs(discount, ctx.now):
        raise missing("discount", id, param=param, status=400)
    return id


def _redeem_one(
    ctx: Ctx, entry: dict[str, Any], where: str, customer: str, currency: str, owner: dict[str, str]
) -> Obj:
    code = None
    if "promotion_code" in entry:
        param = f"{where}[promotion_code]"
        code = promotion_codes.usable(ctx, entry["promotion_code"], customer, param=param)
        coupon = coupons.usable(ctx, code["promotion"]["coupon"], param=param)
        _count(ctx, code)
    else:
        param = f"{where}[coupon]"
        coupon = coupons.usable(ctx, entry["coupon"], param=param)
    coupons.require_currency(coupon, currency, param=param)
    _count(ctx, coupon)
    months = coupon["duration_in_months"]
    discount = {
        "id": ctx.store.new_id("di"),
        "object": KIND,
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": shift(ctx.now, "month", months) if months else None,
        "invoice": owner.get("invoice"),
        "invoice_item": owner.get("invoice_item"),
        "promotion_code": code and code["id"],
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": ctx.now,
        "subscription": owner.get("subscription"),
        "subscription_item": owner.get("subscription_item"),
        "_once": coupon["duration"] == "once",
        "_percent": coupon["percent_off"],
        "_amounts": coupons.amounts(coupon),
        "_products": coupon["_applies_to"],
    }
    if ctx.previewing:
        ctx.unsaved[discount["id"]] = discount
    else:
        ctx.store.put(discount)
    return discount


def _count(ctx: Ctx, redeemed: Obj) -> None:
    if not ctx.previewing:
        redeemed["times_redeemed"] += 1
        ctx.store.put(redeemed)


def _runs(discount: Obj, now: int) -> bool:
    return not discount.get("_over") and (discount["end"] is None or now < discount["end"])


def _source(ctx: Ctx, id: str) -> str:
    return str(find(ctx, id)["source"]["coupon"])


def consume(ctx: Ctx, customer: Obj, used: Iterable[str]) -> None:
    """An invoice with these discounts is final: those of `once` coupons are over."""
    for id in used:
        discount = find(ctx, id)
        if discount["_once"] and not discount.get("_over"):
            if (customer["discount"] or {}).get("id") == id:
                withdraw(ctx, customer)
            else:
                _end(ctx, id)


def _end(ctx: Ctx, id: str, *, tell: bool = True) -> None:
    discount = ctx.store.get(KIND, id)
    discount["_over"] = True
    ctx.store.put(discount)
    if tell:
        ctx.emit("customer.discount.deleted", discount)
