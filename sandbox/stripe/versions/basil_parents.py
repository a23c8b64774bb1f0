"""2025-03-31.basil: what an invoice, a line or an invoice item comes of is its `parent`, its price `pricing`.

They had fields of their own before: `subscription`, `price`, `plan`, `proration` and others.
https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects
"""

from typing import Any

from ..catalog.catalog import plan_of
from ..core.kernel import Ctx, Obj, public
from .registry import Call, answers, requests

VERSION = "2025-03-31.basil"


@requests(VERSION, "POST /v1/invoiceitems", "POST /v1/invoiceitems/{id}")
def pricing(call: Call) -> None:
    """`price` becomes `pricing[price]`, `unit_amount` a decimal."""
    if "price" in call.params:
        call.params["pricing"] = {"price": call.params.pop("price")}
    if "unit_amount" in call.params:
        call.params["unit_amount_decimal"] = call.params.pop("unit_amount")


@answers(VERSION, "invoice")
def invoice(ctx: Ctx, shown: Obj) -> None:
    """Its subscription as a field."""
    if "parent" not in shown:
        return
    details = (shown.pop("parent") or {}).get("subscription_details") or {}
    shown["subscription"] = details.get("subscription")
    shown["subscription_details"] = {"metadata": details["metadata"]} if details else None
    shown["quote"] = None
    if details.get("subscription_proration_date") is not None:
        shown["subscription_proration_date"] = details["subscription_proration_date"]


@answers(VERSION, "line_item")
def line(ctx: Ctx, shown: Obj) -> None:
    """What it charges for as fields."""
    if "parent" not in shown:
        return
    parent = shown.pop("parent") or {}
    of_item = parent.get("subscription_item_details")
    details = of_item or parent.get("invoice_item_details") or {}
    credited = (details.get("proration_details") or {}).get("credited_items")
    shown.update(
        invoice_item=details.get("invoice_item"),
        proration=bool(details.get("proration")),
        proration_details={"credited_items": credited},
        subscription=details.get("subscription"),
        type="subscription" if of_item and not details.get("invoice_item") else "invoiceitem",
        **_priced(ctx, shown.pop("pricing", None)),
    )
    if of_item:
        shown["subscription_item"] = details.get("subscription_item")


@answers(VERSION, "invoiceitem")
def item(ctx: Ctx, shown: Obj) -> None:
    """The same of an invoice item."""
    if "parent" not in shown:
        return
    details = (shown.pop("parent") or {}).get("subscription_details") or {}
    given = shown.pop("pricing", None) or {}
    unit = given.get("unit_amount_decimal")
    shown.update(
        subscription=details.get("subscription"),
        unit_amount=int(unit) if unit is not None and "." not in unit else None,
        unit_amount_decimal=unit,
        **_priced(ctx, given),
    )
    shown.setdefault("proration", False)
    if details.get("subscription_item"):
        shown["subscription_item"] = details["subscription_item"]


def _priced(ctx: Ctx, given: Any) -> dict[str, Any]:
    """The whole price, and the plan that it was."""
    id = ((given or {}).get("price_details") or {}).get("price")
    price = ctx.store.find("price", id) if isinstance(id, str) else id
    if price is None:
        return {"price": None, "plan": None}
    return {"price": public(price), "plan": plan_of(price) if price.get("recurring") else None}
