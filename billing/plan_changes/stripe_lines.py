"""The lines of Stripe's invoices, previews and pending invoice items, read from Stripe's JSON."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import PreviewDoesNotAddUp
from ..core.money import Money
from .proration import Line, LineKind, Period


def lines_from_invoice(invoice: Mapping[str, Any]) -> tuple[Line, ...]:
    """The lines of an invoice or a preview in Stripe's JSON, in Stripe's order.

    Raises PreviewDoesNotAddUp if some lines are missing (`lines.has_more`: page through them first) or if
    they do not sum to the invoice's total, discounts, exclusive taxes and shipping considered.
    """
    page = invoice["lines"]
    if page.get("has_more"):
        raise PreviewDoesNotAddUp(f"{_named(invoice)} has more lines than the {len(page['data'])} given")
    lines = tuple(_from_line_item(item) for item in page["data"])
    total = invoice.get("total")
    expected = sum(line.amount_minor for line in lines) + _beside_lines(invoice)
    if total is not None and expected != total:
        currency = invoice["currency"]
        stated, added = (Money(amount_minor=minor, currency=currency).format() for minor in (total, expected))
        raise PreviewDoesNotAddUp(f"{_named(invoice)} totals {stated}, but its lines come to {added}")
    return lines


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
        price=_id((pricing.get("price_details") or {}).get("price")),
        quantity=1 if quantity is None else quantity,
    )


def _id(reference: Any) -> str:
    """The id of a reference that Stripe may have expanded; "" where there is none."""
    if isinstance(reference, Mapping):
        reference = reference["id"]
    return reference or ""


def _beside_lines(invoice: Mapping[str, Any]) -> int:
    """What separates the sum of the lines from the total: discounts, taxes on top, shipping; minor units."""
    discounts: int = sum(discount["amount"] for discount in invoice.get("total_discount_amounts") or ())
    taxes: int = sum(
        tax["amount"] for tax in invoice.get("total_taxes") or () if tax["tax_behavior"] == "exclusive"
    )
    shipping: int = invoice.get("amount_shipping") or 0
    return taxes + shipping - discounts


def _named(invoice: Mapping[str, Any]) -> str:
    return f"Invoice {invoice.get('id') or 'preview'}"
