"""Invoice lines: an invoice's items and recurring charges in Stripe's shape, prorations first.

https://docs.stripe.com/api/invoice-line-item
"""

from stripe.params import InvoiceListLinesParams

from ..catalog.catalog import pricing_of
from ..catalog.proration import Draft
from ..core.kernel import Ctx, Obj, Store, list_object, route
from .pending_items import subscription_of
from .reckoning import reckon_invoice

EMBEDDED = 10
"""So many lines an invoice carries itself; the others are paged through its `lines` endpoint."""


def item_line(store: Store, item: Obj, invoice: str, line: str, taken: dict[str, str]) -> Obj:
    """The line of an invoice item; `taken` maps the items of this invoice to their lines, itself included."""
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": _credited(store, item, invoice, taken)},
        "subscription": subscription_of(item),
    }
    of_subscription = item["parent"] and item["parent"]["subscription_details"]["subscription_item"]
    if of_subscription:
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": {**details, "subscription_item": of_subscription},
            "type": "subscription_item_details",
        }
    else:
        parent = {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        }
    made = _line(
        line, invoice, item["amount"], item["currency"], item["description"], dict(item["period"]), parent
    )
    made.update(
        discountable=item["discountable"],
        discounts=list(item["discounts"]),
        metadata=dict(item["metadata"]),
        pricing=_copy(item["pricing"]),
        quantity=item["quantity"],
        quantity_decimal=item["quantity_decimal"],
        subscription=details["subscription"],
        _off=[list(one) for one in item["_off"]],
        _rates=item["_rates"],
    )
    return made


def recurring_line(draft: Draft, subscription: str, invoice: str, line: str, metadata: dict[str, str]) -> Obj:
    """The line of one period of a subscription item."""
    assert draft.charge is not None
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": draft.proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription,
            "subscription_item": draft.item,
        },
        "type": "subscription_item_details",
    }
    period = {"end": draft.end, "start": draft.start}
    made = _line(line, invoice, draft.amount, draft.currency, draft.description, period, parent)
    made.update(
        discountable=not draft.proration,
        discounts=list(draft.terms.discounts),
        metadata=metadata,
        pricing=pricing_of(draft.charge, draft.kind),
        quantity=draft.quantity,
        quantity_decimal=str(draft.quantity),
        subscription=subscription,
        _off=[list(one) for one in draft.off],
        _rates=None if draft.terms.rates is None else list(draft.terms.rates),
    )
    return made


def all_lines(invoice: Obj) -> list[Obj]:
    """Every line of an invoice, in order."""
    return [*invoice["lines"]["data"], *invoice.get("_rest", [])]


def set_lines(ctx: Ctx, invoice: Obj, lines: list[Obj], *, embedded: int = EMBEDDED) -> None:
    """Give an invoice its lines, and the discounts, taxes and sums that follow from them."""
    reckon_invoice(ctx, invoice, lines)
    url = f"/v1/invoices/{invoice['id']}/lines"
    invoice["lines"] = {
        **list_object(lines[:embedded], url, has_more=len(lines) > embedded),
        "total_count": len(lines),
    }
    invoice["_rest"] = lines[embedded:]


@route("GET", "/v1/invoices/{id}/lines", params=InvoiceListLinesParams, kind="line_item")
def list_lines(ctx: Ctx) -> Obj:
    """An invoice's lines, page by page."""
    invoice = ctx.store.get("invoice", ctx.path["id"])
    return ctx.page(all_lines(invoice), f"/v1/invoices/{invoice['id']}/lines")


def _line(
    id: str, invoice: str, amount: int, currency: str, description: str | None, period: Obj, parent: Obj
) -> Obj:
    return {
        "id": id,
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": period,
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
        "_off": [],
        "_rates": None,
    }


def _copy(pricing: Obj | None) -> Obj | None:
    if pricing is None:
        return None
    details = pricing["price_details"]
    return {**pricing, "price_details": dict(details) if details else None}


def _credited(store: Store, item: Obj, invoice: str, taken: dict[str, str]) -> Obj | None:
    """Which lines a credit takes back: of an earlier invoice, or of this one where both waited together."""
    where: str | None = None
    lines: list[str] = []
    for owner, of_invoice, of_line in item["_credits"]:
        at: tuple[str | None, str | None] = (of_invoice, of_line)
        if of_invoice is None and owner in taken:
            at = (invoice, taken[owner])
        elif of_invoice is None:
            other = store.find("invoiceitem", owner)
            at = (other["invoice"], other["_line"]) if other and other["invoice"] else (None, None)
        if at[0] is not None and at[1] is not None and where in (None, at[0]):
            where = at[0]
            lines.append(at[1])
    return {"invoice": where, "invoice_line_items": lines} if where else None
