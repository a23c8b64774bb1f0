"""Prices, one-time or recurring, per licensed unit or by tiers: https://docs.stripe.com/api/prices."""

from __future__ import annotations

from stripe.params import PriceCreateParams, PriceListParams, PriceRetrieveParams, PriceUpdateParams

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed, not_built
from . import price_shapes, products


@route("POST", "/v1/prices", params=PriceCreateParams, kind="price")
def create(ctx: Ctx) -> Obj:
    """Create a price for `product`, or for the product that `product_data` makes."""
    not_built(ctx, "custom_unit_amount")
    return price_shapes.make(ctx, _product(ctx), ctx.params)


@route("GET", "/v1/prices/{id}", params=PriceRetrieveParams, kind="price")
def retrieve(ctx: Ctx) -> Obj:
    """One price."""
    return ctx.store.get("price", ctx.path["id"], param="price")


@route("POST", "/v1/prices/{id}", params=PriceUpdateParams, kind="price")
def update(ctx: Ctx) -> Obj:
    """Change what may change: never the amount, the currency or the interval."""
    price = ctx.store.get("price", ctx.path["id"], param="price")
    before = public(price)
    for name in ("active", "nickname"):
        if name in ctx.params:
            price[name] = ctx.params[name]
    behavior = ctx.params.get("tax_behavior")
    if behavior is not None and behavior != price["tax_behavior"]:
        if price["tax_behavior"] != "unspecified":
            raise invalid(
                "You cannot update the tax_behavior of a price once it is set.", param="tax_behavior"
            )
        price["tax_behavior"] = behavior
    price["metadata"] = merge_metadata(price["metadata"], ctx.params.get("metadata"))
    price_shapes.take_lookup_key(ctx, price, ctx.params)
    price_shapes.take_options(price, ctx.params)
    return changed(ctx, price, before, "price.updated")


@route("GET", "/v1/prices", params=PriceListParams, kind="price")
def list_all(ctx: Ctx) -> Obj:
    """Prices, newest first."""
    params = ctx.params
    recurring = params.get("recurring") or {}
    keys = params.get("lookup_keys")
    if keys is not None and len(keys) > 10:
        raise invalid("You may provide at most 10 lookup_keys.", param="lookup_keys")

    def wanted(price: Obj) -> bool:
        every = price["recurring"] or {}
        return (
            all(params.get(name) in (None, price[name]) for name in ("active", "currency", "type"))
            and all(every.get(name) == value for name, value in recurring.items())
            and (keys is None or price["lookup_key"] in keys)
            and within(price["created"], params.get("created"))
        )

    if params.get("product"):
        found = [p for p in ctx.store.related("price", "product", params["product"]) if wanted(p)]
    else:
        found = ctx.store.all("price", wanted)
    return ctx.page(found, "/v1/prices")


def _product(ctx: Ctx) -> Obj:
    given, data = ctx.params.get("product"), ctx.params.get("product_data")
    if (given is None) == (data is None):
        raise invalid(
            "You must specify either `product` or `product_data` when creating a price.",
            code="parameter_missing" if given is None else None,
            param="product",
        )
    if given is not None:
        return ctx.store.get("product", given, param="product", status=400)
    inner = Ctx(ctx.store, data or {}, {}, ctx.now, ctx.idempotency_key, ctx.request_id, ctx.account)
    return products.make(inner, (data or {}).get("id"))
