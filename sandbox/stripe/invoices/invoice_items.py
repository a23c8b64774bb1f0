"""Invoice items over HTTP.

https://docs.stripe.com/api/invoiceitems
"""

from decimal import Decimal

from stripe.params import (
    InvoiceItemCreateParams,
    InvoiceItemDeleteParams,
    InvoiceItemListParams,
    InvoiceItemRetrieveParams,
    InvoiceItemUpdateParams,
)

from ..core.amounts import nearest
from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, route
from ..core.updates import not_built
from . import draft_invoices, invoicing
from .pending_items import extra_item, keep, take_terms

NOT_BUILT = ("price_data", "tax_code")


@route("POST", "/v1/invoiceitems", params=InvoiceItemCreateParams, kind="invoiceitem")
def create(ctx: Ctx) -> Obj:
    """Add an amount to a draft invoice or to the customer's next one."""
    not_built(ctx, *NOT_BUILT)
    params = ctx.params
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = ctx.store.get("customer", params["customer"], param="customer", status=400)
    subscription = params.get("subscription")
    taxed = bool(subscription and _taxed(ctx, "subscription", subscription))
    item = extra_item(ctx, customer["id"], subscription, params)
    if customer["currency"] not in (None, item["currency"]):
        raise invalid(
            "You cannot combine currencies on a single customer. This customer has had a subscription, "
            "coupon, or "
            f"invoice item with currency {customer['currency']}",
            param="currency",
        )
    taxed = taxed or bool(params.get("invoice") and _taxed(ctx, "invoice", params["invoice"]))
    if taxed and item["amount"] < 0 and ctx.switches.negative_items == "refused":
        message = "Invoice items with a negative amount can't be added where automatic tax is enabled."
        raise invalid(message, param="amount")
    if params.get("invoice"):
        invoice = ctx.store.get("invoice", params["invoice"])
        invoicing.require_status(invoice, "draft", message="You can only add items to draft invoices.")
        keep(ctx, item)
        draft_invoices.add_items(ctx, invoice, [item])
        return item
    return keep(ctx, item)


@route("GET", "/v1/invoiceitems/{id}", params=InvoiceItemRetrieveParams, kind="invoiceitem")
def retrieve(ctx: Ctx) -> Obj:
    """One invoice item."""
    return ctx.store.get("invoiceitem", ctx.path["id"])


@route("POST", "/v1/invoiceitems/{id}", params=InvoiceItemUpdateParams, kind="invoiceitem")
def update(ctx: Ctx) -> Obj:
    """Change an item that waits; one on a finalized invoice takes no change."""
    not_built(ctx, "invoicing_rules", *NOT_BUILT)
    item, params = ctx.store.get("invoiceitem", ctx.path["id"]), ctx.params
    _require_open(ctx, item)
    if "amount" in params:
        item["amount"] = item["net_amount"] = params["amount"]
        item["pricing"]["unit_amount_decimal"] = str(params["amount"])
    for field in ("description", "discountable"):
        if field in params:
            item[field] = params[field]
    if "quantity" in params:
        unit = item["pricing"]["unit_amount_decimal"]
        if unit is None:
            message = "This stand-in doesn't change the quantity of an item with a tiered price."
            raise invalid(message, param="quantity")
        item["quantity"], item["quantity_decimal"] = params["quantity"], str(params["quantity"])
        item["amount"] = item["net_amount"] = nearest(Decimal(unit) * params["quantity"])
    if "period" in params:
        item["period"] = dict(params["period"])
    take_terms(ctx, item, params)
    item["metadata"] = merge_metadata(item["metadata"], params.get("metadata"))
    ctx.store.put(item)
    if item["invoice"]:
        draft_invoices.redraw_item(ctx, item)
    return item


@route("DELETE", "/v1/invoiceitems/{id}", params=InvoiceItemDeleteParams, kind="invoiceitem")
def delete(ctx: Ctx) -> Obj:
    """Take an item away before it is billed."""
    item = ctx.store.get("invoiceitem", ctx.path["id"])
    _require_open(ctx, item)
    if item["invoice"]:
        draft_invoices.drop_item(ctx, item)
    ctx.store.delete("invoiceitem", item["id"])
    ctx.emit("invoiceitem.deleted", item)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


@route("GET", "/v1/invoiceitems", params=InvoiceItemListParams, kind="invoiceitem")
def list_all(ctx: Ctx) -> Obj:
    """Invoice items, newest first."""
    not_built(ctx, "customer_account")
    params = ctx.params
    if params.get("customer"):
        found = ctx.store.related("invoiceitem", "customer", params["customer"])
    else:
        found = ctx.store.all("invoiceitem")
    wanted = [
        item
        for item in found
        if params.get("invoice") in (None, item["invoice"])
        and params.get("pending") in (None, item["invoice"] is None)
        and within(item["date"], params.get("created"))
    ]
    return ctx.page(wanted, "/v1/invoiceitems")


def _taxed(ctx: Ctx, kind: str, id: str) -> bool:
    """Whether what an item is for has automatic tax."""
    return bool(ctx.store.get(kind, id, param=kind, status=400)["automatic_tax"]["enabled"])


def _require_open(ctx: Ctx, item: Obj) -> None:
    invoice = ctx.store.find("invoice", item["invoice"]) if item["invoice"] else None
    if invoice is not None and invoice["status"] != "draft":
        raise invalid(
            "This invoice item is attached to an invoice that is no longer editable.",
            code="invoice_not_editable",
        )
