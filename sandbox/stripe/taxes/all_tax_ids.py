"""Tax ids by themselves, whoever owns them: https://docs.stripe.com/api/tax_ids.

One without an owner is the account's.
"""

from typing import Any

from stripe.params import TaxIdCreateParams, TaxIdDeleteParams, TaxIdListParams, TaxIdRetrieveParams

from ..core.kernel import Ctx, Obj, invalid, route
from . import tax_ids

KIND = tax_ids.KIND
PATH = "/v1/tax_ids"


@route("POST", PATH, params=TaxIdCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Give a customer, or the account itself, a tax id."""
    return tax_ids.add(ctx, _owner(ctx, ctx.params.get("owner")), ctx.params)


@route("GET", PATH + "/{id}", params=TaxIdRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One tax id."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("DELETE", PATH + "/{id}", params=TaxIdDeleteParams, kind=KIND)
def delete(ctx: Ctx) -> Obj:
    """Take a tax id away; invoices that are final keep it."""
    return tax_ids.drop(ctx, ctx.store.get(KIND, ctx.path["id"]))


@route("GET", PATH, params=TaxIdListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """The tax ids of a customer, or of the account, newest first."""
    customer = _owner(ctx, ctx.params.get("owner"))
    return ctx.page(ctx.store.related(KIND, "customer", customer and customer["id"]), PATH)


def _owner(ctx: Ctx, given: dict[str, Any] | None) -> Obj | None:
    """The customer that is named; None: the account."""
    if given is None or given["type"] == "self":
        return None
    if given["type"] != "customer" or not given.get("customer"):
        raise invalid("This stand-in has tax ids of customers and of the account only.", param="owner[type]")
    return ctx.store.get("customer", given["customer"], param="owner[customer]", status=400)
