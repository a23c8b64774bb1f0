"""Invoices without what is billed by usage: nobody can approve what is used until then.

What metered items come to is billed on top of whatever a change brings, and a change never touches it. So it
is left out of both, what is approved and what is compared with that.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ...stripe.invoice_json import id_of, line_totals

Document = Mapping[str, Any]


def without_usage(invoice: dict[str, Any], metered: Collection[str]) -> dict[str, Any]:
    """An invoice or preview with all its lines, in Stripe's JSON, as it would be without the lines at these
    prices: without their discounts and taxes, and with what would then be due."""
    lines = invoice["lines"]["data"]
    used = [line for line in lines if _price(line) in metered]
    if not used:
        return invoice
    total = invoice["total"] - sum(
        of for line, of in zip(lines, line_totals(invoice), strict=True) if _price(line) in metered
    )
    return {
        **invoice,
        "lines": {**invoice["lines"], "data": [line for line in lines if _price(line) not in metered]},
        "subtotal": invoice["subtotal"] - sum(line["amount"] - _off_its_own(line) for line in used),
        "total_discount_amounts": _less(
            invoice.get("total_discount_amounts") or (), used, "discount_amounts", _discount
        ),
        "total_taxes": _less(invoice.get("total_taxes") or (), used, "taxes", _tax),
        "total": total,
        "amount_due": max(0, (invoice.get("starting_balance") or 0) + total),
        "ending_balance": None,
    }


def _price(line: Document) -> str:
    return id_of(((line.get("pricing") or {}).get("price_details") or {}).get("price"))


def _off_its_own(line: Document) -> int:
    """What the discounts of the line's own item take off, which is within an invoice's subtotal."""
    own = {id_of(one) for one in line.get("discounts") or ()}
    return sum(one["amount"] for one in line.get("discount_amounts") or () if _discount(one) in own)


def _discount(amount: Document) -> str:
    return id_of(amount["discount"])


def _tax(amount: Document) -> tuple[str, str]:
    return id_of((amount.get("tax_rate_details") or {}).get("tax_rate")), amount["tax_behavior"]


def _less(
    amounts: Iterable[Document], used: Iterable[Document], of_lines: str, key: Any
) -> list[dict[str, Any]]:
    """An invoice's amounts, each less by what lines have of it."""
    left: dict[Any, int] = {}
    for one in (one for line in used for one in line.get(of_lines) or ()):
        left[key(one)] = left.get(key(one), 0) + one["amount"]
    return list(_reduced(amounts, left, key))


def _reduced(amounts: Iterable[Document], left: dict[Any, int], key: Any) -> Iterator[dict[str, Any]]:
    for one in amounts:
        yield {**one, "amount": one["amount"] - left.pop(key(one), 0)}
