"""The amounts of Stripe's invoices and previews, read from Stripe's JSON, and whether they add up.

Stripe, "Invoice object": `subtotal` is before the invoice's own discounts and taxes on top, and after the
discounts of items. An inclusive tax that a customer is exempt from is taken off without a figure of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ..core.errors import PreviewDoesNotAddUp
from ..core.money import Money
from .invoice_amounts import InvoiceAmounts, InvoiceDiscount, InvoiceTax

EXPAND_AMOUNTS = ["total_discount_amounts.discount.source.coupon"]
"""What an invoice or preview must be read with, so that discounts have their coupons' names."""

NOT_OWED = ("customer_exempt", "reverse_charge")
"""Why a tax that is within a price is taken off it (Stripe, "Zero tax amounts and reverse charges")."""

Rates = Mapping[str, Mapping[str, Any]]
"""Tax rates in Stripe's JSON by their ids, as far as they are known."""


def id_of(reference: Any) -> str:
    """The id of a reference that Stripe may have expanded; "" where there is none."""
    if isinstance(reference, Mapping):
        reference = reference["id"]
    return reference or ""


def invoice_name(invoice: Mapping[str, Any]) -> str:
    """What a person calls it."""
    return f"Invoice {invoice.get('id') or 'preview'}"


def tax_rates_of(invoice: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of the rates that an invoice's taxes are by."""
    return tuple(_rate(tax) for tax in invoice.get("total_taxes") or ())


def known_rates(invoice: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The rates that an invoice says more of than their ids."""
    return {rate["id"]: rate for rate in invoice.get("default_tax_rates") or ()}


def amounts_from_invoice(invoice: Mapping[str, Any], rates: Rates | None = None) -> InvoiceAmounts:
    """What an invoice or a preview with all its lines asks for, in Stripe's JSON, before credit notes.

    Raises PreviewDoesNotAddUp where one of its sums is not what the amounts before it come to.
    """
    gross = sum(line["amount"] for line in invoice["lines"]["data"])
    known = known_rates(invoice) | dict(rates or {})
    found = InvoiceAmounts(
        currency=invoice["currency"],
        gross=gross,
        discounts=tuple(_discounts(invoice)),
        subtotal=invoice["subtotal"],
        taxes=taxes_of(invoice, known),
        waived_tax=_waived(invoice, gross, known),
        shipping=invoice.get("amount_shipping") or 0,
        total=invoice["total"],
        starting_balance=invoice.get("starting_balance") or 0,
        # Stripe takes credit notes off it that come later: another matter than what was asked for.
        amount_due=invoice["amount_due"] + (invoice.get("pre_payment_credit_notes_amount") or 0),
    )
    _check(invoice, found)
    return found


def line_totals(invoice: Mapping[str, Any]) -> tuple[int, ...]:
    """What each line comes to after its discounts and with the taxes on top of it, in minor units."""
    return tuple(
        line["amount"]
        - sum(discount["amount"] for discount in line.get("discount_amounts") or ())
        + _on_top(line.get("taxes") or ())
        for line in invoice["lines"]["data"]
    )


def _discounts(invoice: Mapping[str, Any]) -> Iterator[InvoiceDiscount]:
    """By coupon; what the lines say of an item's own discount is apart from what the invoice's takes off."""
    known = {id_of(one["discount"]): one["discount"] for one in invoice.get("total_discount_amounts") or ()}
    left = dict.fromkeys(known, 0)
    for one in invoice.get("total_discount_amounts") or ():
        left[id_of(one["discount"])] += one["amount"]
    on_items: dict[str, int] = {}
    for line in invoice["lines"]["data"]:
        own = {id_of(discount) for discount in line.get("discounts") or ()}
        for one in line.get("discount_amounts") or ():
            id = id_of(one["discount"])
            if id in own and id in left:
                on_items[id] = on_items.get(id, 0) + one["amount"]
                left[id] -= one["amount"]
    off: dict[tuple[str, bool], InvoiceDiscount] = {}
    for amounts, within in ((on_items, True), (left, False)):
        for id, amount in amounts.items():
            coupon, name = _coupon(known[id])
            before = off[coupon, within].amount_minor if (coupon, within) in off else 0
            off[coupon, within] = InvoiceDiscount(
                coupon=coupon, name=name, on_items=within, amount_minor=before + amount
            )
    yield from (one for one in off.values() if one.amount_minor)


def _coupon(discount: Any) -> tuple[str, str]:
    """Id and name of a discount's coupon, as far as it was expanded: the name says what it takes off."""
    coupon = (discount.get("source") or {}).get("coupon") if isinstance(discount, Mapping) else None
    if not isinstance(coupon, Mapping):
        known = coupon or id_of(discount)
        return known, known
    name = coupon.get("name") or coupon["id"]
    if (percent := coupon.get("percent_off")) is not None:
        return coupon["id"], f"{name} ({_plain(percent)}% off)"
    amount = Money(amount_minor=coupon["amount_off"], currency=coupon["currency"])
    return coupon["id"], f"{name} ({amount.format()} off)"


def taxes_of(invoice: Mapping[str, Any], known: Rates) -> tuple[InvoiceTax, ...]:
    """Of an invoice or a credit note, each rate once."""
    found: dict[tuple[str, bool], InvoiceTax] = {}
    for tax in invoice.get("total_taxes") or ():
        id, inclusive = _rate(tax), tax["tax_behavior"] == "inclusive"
        rate = known.get(id)
        before = found[id, inclusive].amount_minor if (id, inclusive) in found else 0
        found[id, inclusive] = InvoiceTax(
            rate=id,
            name=_tax_name(rate) if rate else id,
            percentage=_plain(rate["percentage"]) if rate else None,
            inclusive=inclusive,
            amount_minor=before + tax["amount"],
        )
    return tuple(found.values())


def _tax_name(rate: Mapping[str, Any]) -> str:
    place = "-".join(part for part in (rate.get("country"), rate.get("state")) if part)
    return " ".join(part for part in (place, rate.get("display_name")) if part)


def _rate(tax: Mapping[str, Any]) -> str:
    return id_of((tax.get("tax_rate_details") or {}).get("tax_rate")) or "unknown"


def _on_top(taxes: Iterable[Mapping[str, Any]]) -> int:
    return sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")


def _off(invoice: Mapping[str, Any]) -> int:
    return sum(discount["amount"] for discount in invoice.get("total_discount_amounts") or ())


def _waived(invoice: Mapping[str, Any], gross: int, known: Rates) -> int:
    """What the total lacks, where a tax within the prices is not owed: no more than that tax can be."""
    waiving = [
        known.get(_rate(tax))
        for tax in invoice.get("total_taxes") or ()
        if tax["tax_behavior"] == "inclusive" and tax.get("taxability_reason") in NOT_OWED
    ]
    if not waiving:
        return 0
    before = _before_waiver(invoice, gross)
    waived = before - int(invoice["total"])
    if abs(waived) > _within(invoice, waiving):
        _same(invoice, "totals", invoice["total"], before, "its lines come to")
    return waived


def _within(invoice: Mapping[str, Any], rates: Iterable[Mapping[str, Any] | None]) -> int:
    """The most that taxes of these rates can be of an invoice's prices: all of them, where one isn't known;
    else each line may have been rounded by itself."""
    lines = invoice["lines"]["data"]
    prices = sum(abs(line["amount"]) for line in lines) + (invoice.get("amount_shipping") or 0)
    percent = Decimal(0)
    for rate in rates:
        if rate is None:
            return int(prices)
        percent += Decimal(str(rate["percentage"]))
    return int(prices * percent / (100 + percent)) + len(lines)


def _before_waiver(invoice: Mapping[str, Any], gross: int) -> int:
    return (
        gross
        - _off(invoice)
        + _on_top(invoice.get("total_taxes") or ())
        + (invoice.get("amount_shipping") or 0)
    )


def _check(invoice: Mapping[str, Any], found: InvoiceAmounts) -> None:
    """Raises PreviewDoesNotAddUp, naming the sum that is wrong."""
    _same(invoice, "totals", found.total, found.gross - _off(invoice) + _rest(found), "its lines come to")
    of_items = found.gross - found.off_items
    _same(invoice, "has a subtotal of", found.subtotal, of_items, "its lines come to")
    ending = invoice.get("ending_balance")
    if ending is not None:
        balance = "leaves a balance of"
        _same(invoice, balance, ending, found.ending_balance, "what is due leaves")
    owed = max(0, found.starting_balance + found.total)
    if found.amount_due:  # nothing is, where it is less than the smallest charge
        _same(invoice, "asks for", found.amount_due, owed, "total and balance come to")


def _rest(found: InvoiceAmounts) -> int:
    return (
        sum(tax.amount_minor for tax in found.taxes if not tax.inclusive) + found.shipping - found.waived_tax
    )


def _same(invoice: Mapping[str, Any], says: str, stated: int, added: int, of: str) -> None:
    if stated == added:
        return
    currency = invoice["currency"]
    left, right = (Money(amount_minor=minor, currency=currency).format() for minor in (stated, added))
    raise PreviewDoesNotAddUp(f"{invoice_name(invoice)} {says} {left}, but {of} {right}")


def _plain(number: float) -> str:
    """A percentage as people write it: `19`, `8.875`."""
    return f"{number:.4f}".rstrip("0").rstrip(".")
