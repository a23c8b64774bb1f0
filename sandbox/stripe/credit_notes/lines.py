"""The lines of a credit note, and its sums: what it takes of amounts, discounts and taxes.

A line takes its share of the discounts and taxes of the invoice's line. Of a note that gives only an amount,
taxes included, Stripe takes the invoice's taxes in their proportion.
https://docs.stripe.com/api/credit_notes/create
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..core.amounts import nearest, share
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, missing, public
from ..invoices.invoice_lines import all_lines
from ..invoices.reckoning import tax_shape
from ..invoices.totals import Entry, Rate, reckon
from ..taxes import tax_rates

EMBEDDED = 10
"""Lines that stand within a note itself."""


@dataclass(slots=True)
class Sums:
    """What a note comes to; amounts in minor units."""

    subtotal: int
    """Before discounts of the invoice and exclusive taxes."""
    discounts: list[dict[str, Any]] = field(default_factory=list)
    taxes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.subtotal - sum(int(one["amount"]) for one in self.discounts) + self.exclusive

    @property
    def exclusive(self) -> int:
        return self._tax("exclusive")

    @property
    def inclusive(self) -> int:
        return self._tax("inclusive")

    def _tax(self, behavior: str) -> int:
        return sum(int(tax["amount"]) for tax in self.taxes if tax["tax_behavior"] == behavior)


def sums_of_lines(lines: list[Obj]) -> Sums:
    """The sums of a note of these lines."""
    sums = Sums(sum(line["amount"] for line in lines))
    for line in lines:
        _gather(sums.discounts, line["discount_amounts"], lambda one: one["discount"])
        _gather(sums.taxes, line["taxes"], _rate_id)
    return sums


def sums_of_amount(invoice: Obj, amount: int) -> Sums:
    """The sums of a note of an amount, which holds its share of every tax of the invoice."""
    taxes = [_part(tax, amount, invoice["total"]) for tax in invoice["total_taxes"]]
    exclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    return Sums(amount - exclusive, taxes=taxes)


def line_of(ctx: Ctx, invoice: Obj, entry: dict[str, Any], index: int) -> Obj:
    where = f"lines[{index}]"
    _check(invoice, entry, where)
    quantity = entry.get("quantity")
    unit = entry.get("unit_amount_decimal", entry.get("unit_amount"))
    amount = entry.get("amount")
    if amount is None and unit is not None:
        amount = nearest(Decimal(unit) * (quantity or 1))
    metadata = merge_metadata(None, entry.get("metadata"))
    if entry["type"] == "custom_line_item":
        if amount is None or not entry.get("description"):
            raise invalid(
                "A custom line needs a description, and an amount or unit_amount.",
                code="parameter_missing",
                param=f"{where}[{'description' if amount is not None else 'amount'}]",
            )
        made = custom_line(ctx, amount, entry["description"], quantity or 1, unit, metadata)
        made["tax_rates"] = tax_rates.chosen(ctx, entry.get("tax_rates"), param=f"{where}[tax_rates]")
        made["taxes"] = _by_hand(made["tax_rates"], amount)
        return made
    lines = {line["id"]: line for line in all_lines(invoice)}
    source = lines.get(entry.get("invoice_line_item", ""))
    if source is None:
        id = entry.get("invoice_line_item", "")
        raise missing("invoice line item", id, param=f"{where}[invoice_line_item]", status=400)
    if amount is None and quantity is not None and source["pricing"]["unit_amount_decimal"] is None:
        message = "A line with a tiered price is credited by amount, not by quantity."
        raise invalid(message, param=f"{where}[quantity]")
    if amount is None:
        amount = (
            source["amount"]
            if quantity is None
            else nearest(Decimal(source["pricing"]["unit_amount_decimal"]) * quantity)
        )
    if any(way != _way(entry) for way in _ways(ctx, invoice, source["id"])):
        raise invalid(
            "A line that was credited by amount can't be credited by quantity, nor the other way round.",
            param=where,
        )
    if amount > source["amount"]:
        raise invalid("A line can't be credited for more than it billed.", param=f"{where}[amount]")
    made = custom_line(ctx, amount, source["description"], quantity or source["quantity"], unit, metadata)
    whole = source["amount"]
    discounts = [{**one, "amount": share(one["amount"], amount, whole)} for one in source["discount_amounts"]]
    made.update(
        type="invoice_line_item",
        invoice_line_item=source["id"],
        discount_amount=sum(one["amount"] for one in discounts),
        discount_amounts=discounts,
        taxes=[_part(tax, amount, whole) for tax in source["taxes"]],
    )
    return made


def lines_of(note: Obj) -> list[Obj]:
    """Every line of a credit note, in order."""
    return [*note["lines"]["data"], *note.get("_rest", [])]


def ways_of(entries: list[dict[str, Any]]) -> dict[str, str]:
    """By which of the two each line of the invoice is credited."""
    return {one["invoice_line_item"]: _way(one) for one in entries if one["type"] == "invoice_line_item"}


def _way(entry: dict[str, Any]) -> str:
    return "amount" if "amount" in entry else "quantity"


def _ways(ctx: Ctx, invoice: Obj, line: str) -> list[str]:
    """How notes have credited a line of the invoice so far: all of them by amount, or all by quantity.
    https://docs.stripe.com/invoicing/integration/programmatic-credit-notes"""
    notes = ctx.store.related("credit_note", "invoice", invoice["id"])
    return [note["_ways"][line] for note in notes if note["status"] == "issued" and line in note["_ways"]]


def custom_line(
    ctx: Ctx, amount: int, description: str | None, quantity: int, unit: Any, metadata: dict[str, str]
) -> Obj:
    return {
        "id": ctx.store.new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": public(metadata),
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": "custom_line_item",
        "unit_amount": None if unit is None or Decimal(unit) % 1 else int(Decimal(unit)),
        "unit_amount_decimal": None if unit is None else str(unit),
    }


def _check(invoice: Obj, entry: dict[str, Any], where: str) -> None:
    """Where tax is automatic, a line is one of the invoice and has its taxes."""
    if "tax_amounts" in entry:
        param = f"{where}[tax_amounts]"
        raise invalid("This stand-in doesn't take tax_amounts: it reckons them.", param=param)
    if not invoice["automatic_tax"]["enabled"]:
        return
    if entry["type"] == "custom_line_item":
        message = "Custom lines can't be credited on an invoice with automatic tax."
        raise invalid(message, param=f"{where}[type]")
    if "tax_rates" in entry:
        message = "`tax_rates` can't be given for an invoice with automatic tax."
        raise invalid(message, param=f"{where}[tax_rates]")


def _by_hand(rates: list[Obj], amount: int) -> list[dict[str, Any]]:
    """The taxes of a custom line."""
    found = reckon([Entry(amount, rates=tuple(map(_rate, rates)))], (), "line", "last").lines[0].taxes
    return [tax_shape(tax.rate, tax.amount, tax.taxable) for tax in found]


def _rate(rate: Obj) -> Rate:
    return Rate(rate["id"], Decimal(str(rate["percentage"])), rate["inclusive"])


def _part(tax: dict[str, Any], amount: int, whole: int) -> dict[str, Any]:
    taxable = tax["taxable_amount"]
    return {
        **public(tax),
        "amount": share(tax["amount"], amount, whole),
        "taxable_amount": None if taxable is None else share(taxable, amount, whole),
    }


def _rate_id(tax: dict[str, Any]) -> Any:
    return tax["tax_rate_details"]["tax_rate"]


def _gather(sums: list[dict[str, Any]], parts: list[dict[str, Any]], key: Callable[[Obj], Any]) -> None:
    """Add amounts up, those of one discount or tax together."""
    for part in parts:
        same = next((one for one in sums if key(one) == key(part)), None)
        if same is None:
            sums.append(public(part))
            continue
        same["amount"] += part["amount"]
        if part.get("taxable_amount") is not None:
            same["taxable_amount"] += part["taxable_amount"]
