"""Customers: https://docs.stripe.com/api/customers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from stripe.params import (
    CustomerCreateParams,
    CustomerDeleteDiscountParams,
    CustomerDeleteParams,
    CustomerListParams,
    CustomerListPaymentMethodsParams,
    CustomerRetrieveParams,
    CustomerRetrievePaymentMethodParams,
    CustomerUpdateParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, expandable, invalid, merge_metadata, missing, public, route
from ..core.test_time import KIND as CLOCK
from ..core.updates import changed, copy_fields, not_built
from ..discounts import discounts
from ..taxes import automatic_tax, tax_ids
from . import balance, payment_methods, sources

PLAIN = (
    "address",
    "business_name",
    "description",
    "email",
    "individual_name",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)
NOT_BUILT = ("cash_balance", "default_source", "validate")

BEFORE_DELETE: list[Callable[[Ctx, Obj], None]] = []
"""What else happens to a customer that is deleted; the billing modules cancel its subscriptions here."""


@route("POST", "/v1/customers", params=CustomerCreateParams, kind="customer")
def create(ctx: Ctx) -> Obj:
    """Create a customer; `payment_method` is attached, a `balance` other than zero becomes a transaction."""
    not_built(ctx, *NOT_BUILT)
    customer: Obj = {
        "id": "cus_" + secrets.token_hex(7),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": ctx.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": secrets.token_hex(4).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merge_metadata(None, ctx.params.get("metadata")),
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    if given := ctx.params.get("test_clock"):
        customer["test_clock"] = ctx.store.get(CLOCK, given, param="test_clock", status=400)["id"]
    copy_fields(ctx, customer, PLAIN)
    _check(ctx, customer)
    ctx.store.put(customer)
    attached: dict[str, str] = {}
    sources.take(ctx, customer)
    given = ctx.params.get("payment_method")
    if given:
        method = payment_methods.attach_to(ctx, given, customer["id"], param="payment_method")
        attached[given] = method["id"]
    _invoice_settings(ctx, customer, attached)
    _require_place(ctx, customer)
    ctx.emit("customer.created", customer)
    for tax_id in ctx.params.get("tax_id_data", []):
        tax_ids.add(ctx, customer, tax_id)
    _set_balance(ctx, customer, "initial")
    return customer


@route("GET", "/v1/customers/{id}", params=CustomerRetrieveParams, kind="customer")
def retrieve(ctx: Ctx) -> Obj:
    """A customer; of a deleted one, what Stripe still tells."""
    return ctx.store.deleted("customer", ctx.path["id"]) or ctx.store.get("customer", ctx.path["id"])


@route("POST", "/v1/customers/{id}", params=CustomerUpdateParams, kind="customer")
def update(ctx: Ctx) -> Obj:
    """Change a customer; a new `balance` is written as an adjustment."""
    not_built(ctx, *NOT_BUILT)
    customer = ctx.store.get("customer", ctx.path["id"])
    before = public(customer)
    copy_fields(ctx, customer, PLAIN)
    customer["metadata"] = merge_metadata(customer["metadata"], ctx.params.get("metadata"))
    _check(ctx, customer)
    sources.take(ctx, customer)
    _invoice_settings(ctx, customer, {})
    _require_place(ctx, customer)
    _set_balance(ctx, customer, "adjustment")
    return changed(ctx, customer, before, "customer.updated")


@route("DELETE", "/v1/customers/{id}", params=CustomerDeleteParams, kind="customer")
def delete(ctx: Ctx) -> Obj:
    """Delete a customer for good, ending its subscriptions and detaching its payment methods."""
    customer = ctx.store.get("customer", ctx.path["id"])
    for also in BEFORE_DELETE:
        also(ctx, customer)
    for method in ctx.store.related("payment_method", "customer", customer["id"]):
        payment_methods.let_go(ctx, method)
    ctx.store.delete("customer", customer["id"], tombstone=True)
    ctx.emit("customer.deleted", customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


@route("DELETE", "/v1/customers/{id}/discount", params=CustomerDeleteDiscountParams, kind="discount")
def delete_discount(ctx: Ctx) -> Obj:
    """Take a customer's discount away."""
    customer = ctx.store.get("customer", ctx.path["id"])
    shown = customer["discount"]
    if shown is None:
        raise missing("active discount for customer", customer["id"])
    discounts.withdraw(ctx, customer)
    return {"id": shown["id"], "object": "discount", "deleted": True}


@route("GET", "/v1/customers", params=CustomerListParams, kind="customer")
def list_all(ctx: Ctx) -> Obj:
    """Customers, newest first; `email` matches exactly, case included. Those of a test clock only by it."""
    email, created = ctx.params.get("email"), ctx.params.get("created")
    clock = ctx.params.get("test_clock")
    if clock:
        ctx.store.get(CLOCK, clock, param="test_clock", status=400)
    found = ctx.store.all("customer") if email is None else ctx.store.related("customer", "email", email)
    wanted = [c for c in found if c["test_clock"] == clock and within(c["created"], created)]
    return ctx.page(wanted, "/v1/customers")


@route(
    "GET",
    "/v1/customers/{id}/payment_methods",
    params=CustomerListPaymentMethodsParams,
    kind="payment_method",
)
def list_payment_methods(ctx: Ctx) -> Obj:
    """The payment methods attached to a customer."""
    customer = ctx.store.get("customer", ctx.path["id"])
    found = payment_methods.of_customer(ctx, customer["id"])
    return ctx.page(found, f"/v1/customers/{customer['id']}/payment_methods")


@route(
    "GET",
    "/v1/customers/{id}/payment_methods/{payment_method}",
    params=CustomerRetrievePaymentMethodParams,
    kind="payment_method",
)
def retrieve_payment_method(ctx: Ctx) -> Obj:
    """One payment method of a customer."""
    customer = ctx.store.get("customer", ctx.path["id"])
    method = ctx.store.get("payment_method", ctx.path["payment_method"], param="payment_method")
    if method["customer"] != customer["id"]:
        raise missing("PaymentMethod", method["id"], param="payment_method")
    return method


def _check(ctx: Ctx, customer: Obj) -> None:
    email = ctx.params.get("email")
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise invalid(f"Invalid email address: {email}", code="email_invalid", param="email")
    prefix = ctx.params.get("invoice_prefix")
    if prefix is not None:
        if not re.fullmatch(r"[A-Z0-9]{1,12}", prefix):
            raise invalid(
                "Invalid invoice_prefix: must be 1-12 uppercase letters or numbers", param="invoice_prefix"
            )
        customer["invoice_prefix"] = prefix


def _require_place(ctx: Ctx, customer: Obj) -> None:
    """`tax[validate_location]=immediately` refuses an address that automatic tax can't use."""
    wanted = (ctx.params.get("tax") or {}).get("validate_location")
    if wanted == "immediately" and automatic_tax.place_of(customer) is None:
        message = "The customer's location isn't recognized. Set a valid customer address."
        raise invalid(message, code="customer_tax_location_invalid", param="tax")


def _invoice_settings(ctx: Ctx, customer: Obj, attached: dict[str, str]) -> None:
    """Take over `invoice_settings`; `attached` maps test ids to the payment methods just made of them."""
    given = ctx.params.get("invoice_settings")
    if not given:
        return
    settings = customer["invoice_settings"]
    for name, value in given.items():
        settings[name] = None if value == "" else public(value)
    default = given.get("default_payment_method")
    if default:
        default = attached.get(default, default)
        method = payment_methods.find(ctx, default, param="invoice_settings[default_payment_method]")
        if method["customer"] != customer["id"]:
            raise invalid(
                f"The customer does not have a payment method with the ID {default}. The payment method must "
                "be attached to the customer.",
                code="resource_missing",
                param="invoice_settings[default_payment_method]",
            )
        settings["default_payment_method"] = method["id"]


def _set_balance(ctx: Ctx, customer: Obj, type: str) -> None:
    wanted = ctx.params.get("balance")
    if wanted is not None and wanted != customer["balance"]:
        currency = customer["currency"] or ctx.account.default_currency
        balance.move(ctx, customer, wanted - customer["balance"], currency, type)


def _tax_of(ctx: Ctx, customer: Obj) -> Obj:
    """Where Stripe Tax takes a customer to be, and whether it is collected there."""
    place = automatic_tax.place_of(customer)
    if place is None:
        return {
            "automatic_tax": "unrecognized_location",
            "ip_address": None,
            "location": None,
            "provider": "stripe",
        }
    country, _, state = place.partition("-")
    return {
        "automatic_tax": "supported" if place in automatic_tax.PLACES else "not_collecting",
        "ip_address": None,
        "location": {"country": country, "source": "billing_address", "state": state or None},
        "provider": "stripe",
    }


expandable("customer", "tax", _tax_of)
expandable("customer", "invoice_credit_balance", lambda ctx, customer: {})
