"""The lines of Stripe's invoices, previews and pending invoice items, read from Stripe's JSON."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import LinesLeftOut
from ..stripe.invoice_json import id_of, invoice_name
from .proration import Line, LineKind, Period


def lines_from_invoice(invoice: Mapping[str, Any]) -> tuple[Line, ...]:
    """The lines of an invoice or a preview in Stripe's JSON, in Stripe's order.

    Raises LinesLeftOut if these are not all of them: an invoice's have to be paged through first, and of a
    preview Stripe has no more to give.
    """
    page = invoice["lines"]
    if page.get("has_more"):
        raise LinesLeftOut(f"{invoice_name(invoice)} has more lines than the {len(page['data'])} given")
    return tuple(_from_line_item(item) for item in page["data"])


def lines_from_invoice_items(items: Iterable[Mapping[str, Any]]) -> tuple[Line, ...]:
    """The lines that pending invoice items in Stripe's JSON will become, in the order given."""
    return tuple(_line(item, proration=bool(item["proration"])) for item in items)


def _from_line_item(item: Mapping[str, Any]) -> Line:
    """Whether it is a proration stands in the arm of its parent: of a subscription or of an invoice item."""
    parent = item.get("parent") or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return _line(item, proration=bool(details.get("proration")))


def _line(item: Mapping[str, Any], *, proration: bool) -> Line:
    amount: int = item["amount"]
    kind: LineKind = "renewal" if not proration else "credit" if amount < 0 else "debit"
    pricing = item.get("pricing") or {}
    quantity = item.get("quantity")
    return Line(
        kind=kind,
        description=item.get("description") or "",
        amount_minor=amount,
        period=Period(start=item["period"]["start"], end=item["period"]["end"]),
        price=id_of((pricing.get("price_details") or {}).get("price")),
        quantity=1 if quantity is None else quantity,
    )
