"""2025-03-31.basil: taxes have a type and say what rate they come of; they were amounts of tax rates.

https://docs.stripe.com/changelog/basil/2025-03-31/tax-rate-object-on-invoices-and-credit-notes
"""

from typing import Any

from ..core.kernel import Ctx, Obj
from .registry import answers

VERSION = "2025-03-31.basil"


@answers(VERSION, "invoice")
def invoice(ctx: Ctx, shown: Obj) -> None:
    """`tax` and `total_tax_amounts`."""
    if "total_taxes" in shown:
        amounts = shown["total_tax_amounts"] = _amounts(shown.pop("total_taxes"))
        shown["tax"] = sum(one["amount"] for one in amounts) if amounts else None


@answers(VERSION, "credit_note")
def credit_note(ctx: Ctx, shown: Obj) -> None:
    """`tax_amounts`."""
    if "total_taxes" in shown:
        shown["tax_amounts"] = _amounts(shown.pop("total_taxes"))


@answers(VERSION, "line_item", "credit_note_line_item")
def line(ctx: Ctx, shown: Obj) -> None:
    """`tax_amounts`, and the amount without those that it includes."""
    if "taxes" not in shown:
        return
    amounts = shown["tax_amounts"] = _amounts(shown.pop("taxes"))
    shown.setdefault("tax_rates", [])
    inside = sum(one["amount"] for one in amounts if one["inclusive"])
    off = sum(one["amount"] for one in shown.get("discount_amounts") or [])
    shown["amount_excluding_tax"] = shown["amount"] - off - inside


def _amounts(taxes: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return [
        {
            "amount": tax["amount"],
            "inclusive": tax["tax_behavior"] == "inclusive",
            "tax_rate": (tax["tax_rate_details"] or {}).get("tax_rate"),
            "taxability_reason": tax["taxability_reason"],
            "taxable_amount": tax["taxable_amount"],
        }
        for tax in taxes or []
    ]
