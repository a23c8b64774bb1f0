"""An invoice's discounts, taxes and sums, from its lines and what holds for it."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ..core.kernel import Ctx, Obj
from ..discounts import discounts
from ..taxes import automatic_tax, tax_rates
from .totals import Entry, LineSum, Rate, Reduction, Sums, reckon


def reckon_invoice(ctx: Ctx, invoice: Obj, lines: list[Obj]) -> None:
    """Write on the lines what is taken off and taxed of each, and on the invoice what that comes to."""
    automatic = invoice["automatic_tax"]["enabled"]
    place = automatic_tax.place_of({"address": invoice["customer_address"]}) if automatic else None
    invoice["automatic_tax"] = {
        **automatic_tax.of_invoice(automatic, place),
        "disabled_reason": invoice["automatic_tax"]["disabled_reason"],
    }
    _file_terms(invoice, lines)
    entries = [_entry(ctx, invoice, line, place) for line in lines]
    shared = reductions(ctx, invoice["discounts"], invoice["currency"])
    rounding = "invoice" if automatic else ctx.switches.tax_rounding
    sums = reckon(entries, shared, rounding, ctx.switches.amount_off_remainder)
    for line, found in zip(lines, sums.lines, strict=True):
        _write_line(ctx, line, found, within=not invoice["_terms"][line["id"]]["off"])
    _write_sums(invoice, sums)


def reductions(ctx: Ctx, ids: Iterable[str], currency: str) -> tuple[Reduction, ...]:
    """These discounts as they take effect in a currency."""
    found = []
    for id in ids:
        discount = discounts.find(ctx, id)
        percent, amount = discounts.worth(discount, currency)
        products = discount["_products"]
        found.append(Reduction(id, percent, amount, frozenset(products) if products else None))
    return tuple(found)


def used_by(ctx: Ctx, lines: list[Obj]) -> list[str]:
    """The discounts that invoice lines use up: those that lowered something, maybe within a proration."""
    counted = [line for line in lines if line["discountable"] or ctx.switches.once_coupon == "used"]
    lowered = [one["discount"] for line in counted for one in line["discount_amounts"] if one["amount"]]
    within = [id for line in counted if not line["discountable"] for id in line["discounts"]]
    return list(dict.fromkeys([*lowered, *within]))


def _file_terms(invoice: Obj, lines: list[Obj]) -> None:
    """Keep what is known of new lines beside what Stripe shows of them, with the invoice."""
    old = invoice.get("_terms", {})
    invoice["_terms"] = {
        line["id"]: old.get(line["id"])
        if "_off" not in line
        else {"off": line.pop("_off"), "rates": line.pop("_rates")}
        for line in lines
    }


def _entry(ctx: Ctx, invoice: Obj, line: Obj, place: str | None) -> Entry:
    details = (line["pricing"] or {}).get("price_details")
    return Entry(
        amount=line["amount"],
        product=details["product"] if details else None,
        discountable=line["discountable"],
        reductions=reductions(ctx, line["discounts"], line["currency"]) if line["discountable"] else (),
        taken=tuple((discount, amount) for discount, amount in invoice["_terms"][line["id"]]["off"]),
        rates=tuple(_rates(ctx, invoice, line, place)),
    )


def _rates(ctx: Ctx, invoice: Obj, line: Obj, place: str | None) -> Iterable[Rate]:
    """The taxes of a line: by the customer's place, else its own rates, else those of the invoice."""
    if invoice["automatic_tax"]["enabled"]:
        found = [_rate_of_place(ctx, line, place)] if place else []
    else:
        own = invoice["_terms"][line["id"]]["rates"]
        ids = [rate["id"] for rate in invoice["default_tax_rates"]] if own is None else own
        found = [ctx.store.get(tax_rates.KIND, id) for id in ids]
    for rate in found:
        charged, reason = automatic_tax.reason_of(rate, invoice["customer_tax_exempt"])
        yield Rate(rate["id"], Decimal(str(rate["percentage"])), rate["inclusive"], charged, reason)


def _rate_of_place(ctx: Ctx, line: Obj, place: str) -> Obj:
    details = (line["pricing"] or {}).get("price_details")
    price = ctx.store.find("price", details["price"]) if details else None
    inclusive = bool(price and price["tax_behavior"] == "inclusive")
    rate = automatic_tax.rate_in(ctx.store, place, ctx.now, inclusive=inclusive)
    if not ctx.previewing and ctx.store.find(tax_rates.KIND, rate["id"]) is None:
        ctx.store.put(rate)
    return rate


def shown_off(ctx: Ctx, off: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """What discounts took off a line as it is shown: of an itemized credit, with the sign that is set."""
    positive = ctx.switches.itemized_credits == "positive"
    return [(discount, abs(amount) if positive else amount) for discount, amount in off]


def _write_line(ctx: Ctx, line: Obj, found: LineSum, *, within: bool) -> None:
    taken = shown_off(ctx, (*found.own, *found.shared))
    named = [(id, 0) for id in line["discounts"]] if within and not line["discountable"] else []
    line["discount_amounts"] = [_discounted(*one) for one in (*taken, *named)]
    line["pretax_credit_amounts"] = [_credited(*one) for one in taken]
    line["taxes"] = [tax_shape(tax.rate, tax.amount, tax.taxable) for tax in found.taxes]


def _write_sums(invoice: Obj, sums: Sums) -> None:
    off: dict[str, int] = {}
    taxes: dict[str, tuple[Rate, int, int]] = {}
    for line in sums.lines:
        for discount, amount in (*line.own, *line.shared):
            off[discount] = off.get(discount, 0) + amount
        for tax in line.taxes:
            _, amount, taxable = taxes.get(tax.rate.id, (tax.rate, 0, 0))
            taxes[tax.rate.id] = (tax.rate, amount + tax.amount, taxable + tax.taxable)
    invoice.update(
        subtotal=sums.subtotal,
        subtotal_excluding_tax=sums.subtotal_excluding_tax,
        total=sums.total,
        total_excluding_tax=sums.total_excluding_tax,
        total_discount_amounts=[_discounted(*one) for one in off.items()],
        total_pretax_credit_amounts=[_credited(*one) for one in off.items()],
        total_taxes=[tax_shape(*one) for one in taxes.values()],
    )


def _discounted(discount: str, amount: int) -> dict[str, Any]:
    return {"amount": amount, "discount": discount}


def _credited(discount: str, amount: int) -> dict[str, Any]:
    return {"amount": amount, "discount": discount, "type": "discount"}


def tax_shape(rate: Rate, amount: int, taxable: int) -> dict[str, Any]:
    """A tax as lines, invoices and credit notes show it."""
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if rate.inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": rate.id},
        "taxability_reason": rate.reason,
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }
