"""A customer's tax ids: https://docs.stripe.com/api/tax_ids.

Ids of the European Union, Australia and the United Kingdom are looked up, the moment they come; one that
begins with its country and goes on with zeros only is found not to exist, as in Stripe's test mode.
"""

from __future__ import annotations

import re
from typing import Any

from stripe.params import (
    CustomerTaxIdCreateParams,
    CustomerTaxIdDeleteParams,
    CustomerTaxIdListParams,
    CustomerTaxIdRetrieveParams,
)

from ..core.kernel import Ctx, Obj, invalid, missing, route

KIND = "tax_id"
PATH = "/v1/customers/{customer}/tax_ids"
LOOKED_UP = ("au_abn", "eu_vat", "gb_vat")


@route("POST", PATH, params=CustomerTaxIdCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Give a customer a tax id."""
    customer = ctx.store.get("customer", ctx.path["customer"], param="customer")
    return add(ctx, customer, ctx.params)


@route("GET", PATH + "/{id}", params=CustomerTaxIdRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One tax id of a customer."""
    return _of_customer(ctx)


@route("DELETE", PATH + "/{id}", params=CustomerTaxIdDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Take a tax id away; invoices that are final keep it."""
    return drop(ctx, _of_customer(ctx))


@route("GET", PATH, params=CustomerTaxIdListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """A customer's tax ids, newest first."""
    customer = ctx.store.get("customer", ctx.path["customer"], param="customer")
    return ctx.page(
        ctx.store.related(KIND, "customer", customer["id"]), f"/v1/customers/{customer['id']}/tax_ids"
    )


def add(ctx: Ctx, customer: Obj | None, given: dict[str, Any]) -> Obj:
    """Store a tax id of a customer, or of the account (None), and tell of a customer's; raises 400 for one
    that can't be."""
    value = given["value"].replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z0-9./-]{3,}", value):
        raise invalid("Invalid value for " + given["type"] + ".", code="tax_id_invalid", param="value")
    looked_up = given["type"] in LOOKED_UP
    found = bool(re.search(r"[1-9]", value))
    tax_id: Obj = {
        "id": ctx.store.new_id("txi"),
        "object": KIND,
        "country": value[:2] if value[:2].isalpha() else given["type"][:2].upper(),
        "created": ctx.now,
        "customer": customer["id"] if customer else None,
        "customer_account": None,
        "livemode": False,
        "owner": {"type": "customer", "customer": customer["id"]} if customer else {"type": "self"},
        "type": given["type"],
        "value": value,
        "verification": {
            "status": ("verified" if found else "unverified") if looked_up else "unavailable",
            "verified_address": None,
            "verified_name": (customer or {}).get("name") if looked_up and found else None,
        },
    }
    ctx.store.put(tax_id)
    if customer:
        ctx.emit("customer.tax_id.created", tax_id)
    return tax_id


def drop(ctx: Ctx, tax_id: Obj) -> Obj:
    """Take a tax id away."""
    ctx.store.delete(KIND, tax_id["id"])
    if tax_id["customer"]:
        ctx.emit("customer.tax_id.deleted", tax_id)
    return {"id": tax_id["id"], "object": KIND, "deleted": True}


def of_customer(ctx: Ctx, customer: str) -> list[dict[str, Any]]:
    """A customer's tax ids as an invoice shows them."""
    found = ctx.store.related(KIND, "customer", customer)
    return [{"type": one["type"], "value": one["value"]} for one in reversed(found)]


def _of_customer(ctx: Ctx) -> Obj:
    found = ctx.store.get(KIND, ctx.path["id"])
    if found["customer"] != ctx.path["customer"]:
        raise missing("tax ID", found["id"], param="id")
    return found
