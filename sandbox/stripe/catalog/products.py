"""Products: https://docs.stripe.com/api/products."""

from __future__ import annotations

from stripe.params import (
    ProductCreateParams,
    ProductDeleteParams,
    ProductListParams,
    ProductRetrieveParams,
    ProductUpdateParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed, copy_fields
from . import price_shapes

PLAIN = (
    "active",
    "description",
    "images",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "tax_details",
    "unit_label",
    "url",
)
LISTS = ("images", "marketing_features")


def make(ctx: Ctx, id: str | None) -> Obj:
    """A product with the fields that the request gives; stored, and told of."""
    if id is not None and ctx.store.find("product", id) is not None:
        raise invalid("Product already exists.", code="resource_already_exists", param="id")
    product: Obj = {
        "id": id or ctx.store.new_id("prod"),
        "object": "product",
        "active": True,
        "created": ctx.now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": merge_metadata(None, ctx.params.get("metadata")),
        "name": "",
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": ctx.params.get("type") or "service",
        "unit_label": None,
        "updated": ctx.now,
        "url": None,
    }
    _take(ctx, product)
    ctx.store.put(product)
    ctx.emit("product.created", product)
    return product


@route("POST", "/v1/products", params=ProductCreateParams, kind="product")
def create(ctx: Ctx) -> Obj:
    """Create a product; `default_price_data` makes its default price too."""
    product = make(ctx, ctx.params.get("id"))
    price = ctx.params.get("default_price_data")
    if price:
        product["default_price"] = price_shapes.make(ctx, product, price)["id"]
        ctx.store.put(product)
    return product


@route("GET", "/v1/products/{id}", params=ProductRetrieveParams, kind="product")
def retrieve(ctx: Ctx) -> Obj:
    """One product."""
    return ctx.store.get("product", ctx.path["id"])


@route("POST", "/v1/products/{id}", params=ProductUpdateParams, kind="product")
def update(ctx: Ctx) -> Obj:
    """Change a product; `default_price` must be one of its prices."""
    product = ctx.store.get("product", ctx.path["id"])
    before = public(product)
    _take(ctx, product)
    product["metadata"] = merge_metadata(product["metadata"], ctx.params.get("metadata"))
    default = ctx.params.get("default_price")
    if default is not None:
        price = ctx.store.get("price", default, param="default_price", status=400)
        if price["product"] != product["id"]:
            raise invalid(
                f"The price {default} does not belong to the product {product['id']}.", param="default_price"
            )
        product["default_price"] = price["id"]
    if product != before:
        product["updated"] = ctx.now
    return changed(ctx, product, before, "product.updated")


@route("DELETE", "/v1/products/{id}", params=ProductDeleteParams, kind="product")
def delete(ctx: Ctx) -> Obj:
    """Delete a product that has no prices."""
    product = ctx.store.get("product", ctx.path["id"])
    if ctx.store.related("price", "product", product["id"]):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices.", param="id"
        )
    ctx.store.delete("product", product["id"])
    ctx.emit("product.deleted", product)
    return {"id": product["id"], "object": "product", "deleted": True}


@route("GET", "/v1/products", params=ProductListParams, kind="product")
def list_all(ctx: Ctx) -> Obj:
    """Products, newest first."""
    params = ctx.params
    ids = params.get("ids")

    def wanted(product: Obj) -> bool:
        return (
            all(params.get(name) in (None, product[name]) for name in ("active", "shippable", "type", "url"))
            and (not ids or product["id"] in ids)
            and within(product["created"], params.get("created"))
        )

    return ctx.page(ctx.store.all("product", wanted), "/v1/products")


def _take(ctx: Ctx, product: Obj) -> None:
    copy_fields(ctx, product, PLAIN)
    for name in LISTS:
        product[name] = product[name] or []
