"""Payment methods, made of Stripe's test cards and test bank accounts.

How one behaves when it is attached, charged and refunded is told by `payment_method_behavior`.
https://docs.stripe.com/api/payment_methods
"""

from __future__ import annotations

from typing import Any

from stripe._request_options import RequestOptions
from stripe.params import (
    PaymentMethodAttachParams,
    PaymentMethodCreateParams,
    PaymentMethodDetachParams,
    PaymentMethodListParams,
    PaymentMethodRetrieveParams,
    PaymentMethodUpdateParams,
)

from ..core.kernel import (
    Ctx,
    Obj,
    StripeError,
    card_declined,
    invalid,
    merge_metadata,
    missing,
    public,
    route,
)
from ..core.params import missing_param
from ..core.updates import changed, copy_fields, not_built, without_effect
from . import other_methods, test_banks
from .test_banks import BANKS
from .test_cards import CARDS, Behavior

KIND = "payment_method"
OF_TYPES = ("card", test_banks.US, test_banks.SEPA, *other_methods.TYPES)
"""The types that can be made, each with a parameter of its name."""
OF_ANY = {"allow_redisplay", "billing_details", "expand", "metadata", "radar_options", "type"}
NOT_BUILT = sorted(
    set(PaymentMethodCreateParams.__annotations__) - {*RequestOptions.__annotations__, *OF_ANY, *OF_TYPES}
)
"""Types that this stand-in doesn't know, and what makes a method of another account's."""


def payment_method_behavior(method: Obj) -> Behavior:
    """How a payment method behaves; raises 400 for one that is only kept."""
    other_methods.refuse_charging(method)
    return (BANKS if method["type"] != "card" else CARDS)[method["_card"]]


def decline(behavior: Behavior) -> StripeError:
    """The 402 of a card that is refused when it is attached."""
    error = card_declined(behavior.message, code=behavior.code, decline_code=behavior.decline_code)
    error.param = ""  # as recorded
    return error


def find(ctx: Ctx, id: str, *, param: str, status: int = 400) -> Obj:
    """The payment method; a test id such as pm_card_visa makes a new one. Raises resource_missing."""
    if id.startswith("pm_card_"):
        return _make(ctx, _card_named(id.removeprefix("pm_card_"), id, param, status))
    if bank := test_banks.named(id):
        type = test_banks.US if bank.startswith("usBank") else test_banks.SEPA
        return _keep_bank_account(ctx, type, bank, test_banks.shown(bank, {}))
    return ctx.store.get(KIND, id, param=param, status=status)


def card_of(ctx: Ctx, token: str, *, param: str, prefix: str = "pm") -> Obj:
    """A new card of a test token such as tok_visa; its id begins with the prefix."""
    return _make(ctx, _card_named(token.removeprefix("tok_"), token, param, 400, "token"), prefix)


def attach_to(ctx: Ctx, id: str, customer: str, *, param: str, status: int = 400) -> Obj:
    """Attach to a customer; raises 402 for a card that is refused then, 400 for one attached elsewhere."""
    method = find(ctx, id, param=param, status=status)
    if method["customer"] == customer:
        return method
    if method["customer"] is not None:
        raise invalid(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    behavior = payment_method_behavior(method)
    if not behavior.attaches:
        raise decline(behavior)
    method["customer"] = customer
    ctx.store.put(method)
    ctx.emit("payment_method.attached", method)
    return method


def let_go(ctx: Ctx, method: Obj) -> Obj:
    """Detach from its customer, whose default it ceases to be; it can't be attached again."""
    customer = ctx.store.find("customer", method["customer"])
    if customer:
        settings = customer["invoice_settings"]
        for holder, name in ((settings, "default_payment_method"), (customer, "default_source")):
            if holder[name] == method["id"]:
                holder[name] = None
                ctx.store.put(customer)
    previous = {"customer": method["customer"]}
    method["customer"] = None
    method["_detached"] = True
    ctx.store.put(method)
    ctx.emit("payment_method.detached", method, previous)
    return method


def of_customer(ctx: Ctx, customer: str) -> list[Obj]:
    """Those attached to a customer, as the request's filters say."""
    found = ctx.store.related(KIND, "customer", customer)
    asked = {name: ctx.params[name] for name in ("allow_redisplay", "type") if name in ctx.params}
    return [method for method in found if all(method[name] == value for name, value in asked.items())]


@route("POST", "/v1/payment_methods", params=PaymentMethodCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Make a card of a test token, `card[token]=tok_visa`, a bank account, or what is only kept."""
    not_built(ctx, *NOT_BUILT)
    without_effect(ctx, "radar_options")
    type = ctx.params.get("type")
    if type is None:
        raise missing_param("type")
    if type in (test_banks.US, test_banks.SEPA):
        return _finish(ctx, _make_bank_account(ctx, type))
    if type in other_methods.TYPES:
        return _finish(ctx, _make_other(ctx, type))
    if type != "card":
        raise invalid("This stand-in does not support payment methods of this type.", param="type")
    given = ctx.params.get("card")
    if not given:
        raise missing_param("card")
    if "number" in given:
        raise StripeError(
            402,
            "card_error",
            "Sending credit card numbers directly to the Stripe API is generally unsafe. Use test tokens, "
            "such as tok_visa, instead.",
            param="card[number]",
        )
    return _finish(ctx, card_of(ctx, given.get("token") or "", param="card[token]"))


def _finish(ctx: Ctx, method: Obj) -> Obj:
    _billing_details(ctx, method)
    method["metadata"] = merge_metadata(None, ctx.params.get("metadata"))
    copy_fields(ctx, method, ("allow_redisplay",))
    return ctx.store.put(method)


@route("GET", "/v1/payment_methods/{id}", params=PaymentMethodRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One payment method."""
    return ctx.store.get(KIND, ctx.path["id"], param="payment_method")


@route("POST", "/v1/payment_methods/{id}", params=PaymentMethodUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change billing details, expiry, redisplay or metadata of an attached payment method."""
    not_built(ctx, "us_bank_account")
    method = ctx.store.get(KIND, ctx.path["id"], param="payment_method")
    if method["customer"] is None:
        raise invalid("You must save this PaymentMethod to a customer before you can update it.")
    before = public(method)
    _billing_details(ctx, method)
    copy_fields(ctx, method, ("allow_redisplay",))
    for name, value in (ctx.params.get("card") or {}).items() if method["type"] == "card" else ():
        if name in ("exp_month", "exp_year"):
            method["card"][name] = value
    method["metadata"] = merge_metadata(method["metadata"], ctx.params.get("metadata"))
    return changed(ctx, method, before, "payment_method.updated")


@route("POST", "/v1/payment_methods/{id}/attach", params=PaymentMethodAttachParams, kind=KIND)
def attach(ctx: Ctx) -> Obj:
    """Attach to a customer; of a test id, a new payment method is made."""
    if "customer" not in ctx.params:
        raise missing_param("customer")
    customer = ctx.store.get("customer", ctx.params["customer"], param="customer", status=400)
    known = ctx.store.find(KIND, ctx.path["id"])
    if known is not None and known.get("_detached"):
        raise invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was detached "
            "from a Customer, and may not be used again."
        )
    return attach_to(ctx, ctx.path["id"], customer["id"], param="payment_method", status=404)


@route("POST", "/v1/payment_methods/{id}/detach", params=PaymentMethodDetachParams, kind=KIND)
def detach(ctx: Ctx) -> Obj:
    """Detach from its customer."""
    method = ctx.store.get(KIND, ctx.path["id"], param="payment_method")
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    return let_go(ctx, method)


@route("GET", "/v1/payment_methods", params=PaymentMethodListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Payment methods of one customer."""
    not_built(ctx, "customer_account")
    customer = ctx.params.get("customer")
    if customer is None:
        found: list[Obj] = []
    else:
        ctx.store.get("customer", customer, param="customer", status=400)
        found = of_customer(ctx, customer)
    return ctx.page(found, "/v1/payment_methods")


def _card_named(name: str, id: str, param: str, status: int, label: str = "PaymentMethod") -> str:
    plain = name.removeprefix("visa_") if name.startswith("visa_charge") else name
    if plain not in CARDS:
        raise missing(label, id, param=param, status=status)
    return plain


def _make(ctx: Ctx, card: str, prefix: str = "pm") -> Obj:
    behavior = CARDS[card]
    made = _blank(ctx, "card", _card(behavior), prefix)
    return ctx.store.put({**made, "_card": card, "_behavior": behavior.name})


def _make_bank_account(ctx: Ctx, type: str) -> Obj:
    """A bank account; its holder has to be named: https://docs.stripe.com/payments/bank-debits."""
    if not ctx.params.get(type):
        raise missing_param(type)
    details = ctx.params.get("billing_details") or {}
    for name in ("name", "email") if type == test_banks.SEPA else ("name",):
        if not details.get(name):
            raise missing_param(f"billing_details[{name}]")
    return _keep_bank_account(ctx, type, *test_banks.given(type, ctx.params[type]))


def _keep_bank_account(ctx: Ctx, type: str, account: str, shown: dict[str, Any]) -> Obj:
    return ctx.store.put({**_blank(ctx, type, shown), "_card": account})


def keep_cash_method(ctx: Ctx) -> Obj:
    """A transfer to the customer's cash balance, as a payment has it."""
    return ctx.store.put(_blank(ctx, other_methods.CASH, {}))


def _make_other(ctx: Ctx, type: str) -> Obj:
    return ctx.store.put(_blank(ctx, type, other_methods.shown(ctx, type)))


def _blank(ctx: Ctx, type: str, details: dict[str, Any], prefix: str = "pm") -> Obj:
    return {
        "id": ctx.store.new_id(prefix),
        "object": KIND,
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "created": ctx.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": type,
        type: details,
    }


def _card(behavior: Behavior) -> dict[str, Any]:
    return {
        "brand": behavior.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": behavior.brand,
        "exp_month": 12,
        "exp_year": 2040,
        "fingerprint": f"sandbox{behavior.last4}",
        "funding": behavior.funding,
        "generated_from": None,
        "last4": behavior.last4,
        "networks": {"available": [behavior.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _billing_details(ctx: Ctx, method: Obj) -> None:
    details = method["billing_details"]
    for name, value in (ctx.params.get("billing_details") or {}).items():
        if name == "address" and isinstance(value, dict):
            details["address"].update({k: v or None for k, v in value.items()})
        elif name != "address":
            details[name] = value or None
