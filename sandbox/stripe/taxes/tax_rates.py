"""Tax rates that are made by hand: https://docs.stripe.com/api/tax_rates."""

from __future__ import annotations

from typing import Any

from stripe.params import TaxRateCreateParams, TaxRateListParams, TaxRateRetrieveParams, TaxRateUpdateParams

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed, copy_fields

KIND = "tax_rate"
PLAIN = ("active", "country", "description", "display_name", "jurisdiction", "state", "tax_type")


@route("POST", "/v1/tax_rates", params=TaxRateCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Make a rate: its percentage has at most four decimals, and stays."""
    percentage = ctx.params["percentage"]
    if not 0 <= percentage <= 100 or round(percentage, 4) != percentage:
        message = "The percentage must be between 0 and 100, with at most 4 decimal places."
        raise invalid(message, param="percentage")
    rate = blank(ctx.store.new_id("txr"), ctx.now, percentage=percentage, inclusive=ctx.params["inclusive"])
    copy_fields(ctx, rate, PLAIN)
    rate["metadata"] = merge_metadata(None, ctx.params.get("metadata"))
    ctx.store.put(rate)
    ctx.emit("tax_rate.created", rate)
    return rate


@route("GET", "/v1/tax_rates/{id}", params=TaxRateRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One tax rate."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", "/v1/tax_rates/{id}", params=TaxRateUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change what is no figure; `active=false` forbids new uses only."""
    rate = ctx.store.get(KIND, ctx.path["id"])
    before = public(rate)
    copy_fields(ctx, rate, PLAIN)
    rate["metadata"] = merge_metadata(rate["metadata"], ctx.params.get("metadata"))
    return changed(ctx, rate, before, "tax_rate.updated")


@route("GET", "/v1/tax_rates", params=TaxRateListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Tax rates, newest first."""
    params = ctx.params
    found = ctx.store.all(
        KIND,
        lambda rate: (
            not rate["jurisdiction_level"]
            and all(params.get(name) in (None, rate[name]) for name in ("active", "inclusive"))
            and within(rate["created"], params.get("created"))
        ),
    )
    return ctx.page(found, "/v1/tax_rates")


def blank(id: str, created: int, **fields: Any) -> Obj:
    """A tax rate in Stripe's shape, not stored."""
    return {
        "id": id,
        "object": KIND,
        "active": True,
        "country": None,
        "created": created,
        "description": None,
        "display_name": "Tax",
        "effective_percentage": None,
        "flat_amount": None,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "rate_type": None,
        "state": None,
        "tax_type": None,
        **fields,
    }


def chosen(ctx: Ctx, given: Any, *, param: str, kept: list[Obj] | None = None) -> list[Obj]:
    """Copies of the rates that a parameter names; "" and [] name none.

    Raises 400 for an unknown or archived rate, and for more than a line may have. `kept`: those that are
    there already, which may be archived.
    """
    ids: list[str] = list(given or [])
    if len(ids) > (most := ctx.switches.tax_rates_per_line):
        raise invalid(f"You may specify at most {most} tax rates.", param=param)
    old = {rate["id"] for rate in kept or []}
    rates = [ctx.store.get(KIND, id, param=param, status=400) for id in ids]
    for rate in rates:
        if not rate["active"] and rate["id"] not in old:
            message = f"The tax rate {rate['id']} is archived. This field only accepts active tax rates."
            raise invalid(message, param=param)
    copies: list[Obj] = public(rates)
    return copies
