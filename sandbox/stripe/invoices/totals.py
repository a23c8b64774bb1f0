"""The arithmetic of an invoice: discounts, then taxes, then the sums; no objects, no store.

Of a line first the item's own discounts are taken, then those of the invoice, each in its order and each
percentage of what the former left. What is taxed is what is left after them. An inclusive tax is backed out
of it, `left − left ÷ (1 + rate)`; an exclusive one is reckoned on what remains and comes on top.
https://docs.stripe.com/billing/subscriptions/discounts, https://docs.stripe.com/billing/taxes/tax-rates
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from ..core.amounts import nearest

Rounding = Literal["line", "invoice"]
"""Whether each line's tax is rounded, or the tax of each rate once for the whole invoice."""
Remainder = Literal["last", "largest"]
"""Which lines have what rounding leaves of an amount: the last, or those that lost the largest fractions."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """A discount as it takes effect: a percentage or an amount, of all products or of some."""

    discount: str
    percent: Decimal | None = None
    amount: int = 0
    products: frozenset[str] | None = None

    def covers(self, product: str | None) -> bool:
        """Whether it is given on this product."""
        return self.products is None or product in self.products


@dataclass(frozen=True, slots=True)
class Rate:
    """A tax rate as it takes effect; `charged` is false where the customer owes no tax."""

    id: str
    percent: Decimal
    inclusive: bool
    charged: bool = True
    reason: str = "standard_rated"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a line before: its gross amount and what applies to it alone."""

    amount: int
    product: str | None = None
    discountable: bool = True
    reductions: tuple[Reduction, ...] = ()
    taken: tuple[tuple[str, int], ...] = ()
    """Discounts that were reckoned when the line was made, as those of an itemized proration."""
    rates: tuple[Rate, ...] = ()


@dataclass(slots=True)
class Tax:
    """The tax of one rate on one line; a credit has negative amounts."""

    rate: Rate
    amount: int
    taxable: int


@dataclass(slots=True)
class LineSum:
    """What comes of a line. `waived` is inclusive tax that an exempt customer doesn't pay."""

    amount: int
    own: list[tuple[str, int]]
    shared: list[tuple[str, int]] = field(default_factory=list)
    taxes: list[Tax] = field(default_factory=list)
    waived: int = 0

    @property
    def left(self) -> int:
        """What is left after the discounts."""
        return self.amount - sum(amount for _, amount in (*self.own, *self.shared))


@dataclass(frozen=True, slots=True)
class Sums:
    """An invoice's sums, as Stripe defines them."""

    lines: list[LineSum]

    @property
    def subtotal(self) -> int:
        """Before the invoice's own discounts and exclusive taxes."""
        return sum(line.amount - sum(amount for _, amount in line.own) for line in self.lines)

    @property
    def subtotal_excluding_tax(self) -> int:
        return self.subtotal - self._tax(inclusive=True)

    @property
    def total(self) -> int:
        """After discounts and taxes."""
        return sum(line.left - line.waived for line in self.lines) + self._tax(inclusive=False)

    @property
    def total_excluding_tax(self) -> int:
        return self.total - sum(tax.amount for line in self.lines for tax in line.taxes)

    def _tax(self, *, inclusive: bool) -> int:
        taxes = (tax for line in self.lines for tax in line.taxes)
        return sum(tax.amount for tax in taxes if tax.rate.inclusive == inclusive)


def reckon(
    entries: Sequence[Entry], shared: Sequence[Reduction], rounding: Rounding, remainder: Remainder
) -> Sums:
    """The sums of an invoice of these lines, with the discounts that it has itself."""
    lines = [LineSum(entry.amount, _own(entry)) for entry in entries]
    for reduction in shared:
        _share(reduction, entries, lines, remainder)
    if rounding == "line":
        for entry, line in zip(entries, lines, strict=True):
            _tax_line(entry.rates, line)
    else:
        _tax_invoice(entries, lines)
    return Sums(lines)


def _own(entry: Entry) -> list[tuple[str, int]]:
    own = list(entry.taken)
    left = entry.amount - sum(amount for _, amount in own)
    for reduction in entry.reductions if entry.discountable else ():
        if reduction.covers(entry.product):
            off = _off(reduction, left)
            own.append((reduction.discount, off))
            left -= off
    return own


def _off(reduction: Reduction, left: int) -> int:
    """What a discount takes off one line; never more than is left of it."""
    if reduction.percent is not None:
        return nearest(left * reduction.percent / 100)
    return max(0, min(left, reduction.amount))


def _share(
    reduction: Reduction, entries: Sequence[Entry], lines: Sequence[LineSum], remainder: Remainder
) -> None:
    """Take an invoice's discount off the lines that it covers."""
    covered = [
        line
        for entry, line in zip(entries, lines, strict=True)
        if entry.discountable and reduction.covers(entry.product) and line.left > 0
    ]
    if not covered:
        return
    if reduction.percent is not None:
        for line in covered:
            line.shared.append((reduction.discount, _off(reduction, line.left)))
        return
    whole = sum(line.left for line in covered)
    amount = min(whole, reduction.amount)
    parts = [amount * line.left // whole for line in covered]
    rest = amount - sum(parts)
    if remainder == "last":
        more = [0] * (len(parts) - 1) + [rest]
    else:
        by_fraction = sorted(range(len(parts)), key=lambda one: -(amount * covered[one].left % whole))
        more = [int(position in by_fraction[:rest]) for position in range(len(parts))]
    for line, part, extra in zip(covered, parts, more, strict=True):
        line.shared.append((reduction.discount, part + extra))


def _tax_line(rates: Sequence[Rate], line: LineSum) -> None:
    """Each tax of a line to the whole unit; the exclusive ones on what the rounded inclusive ones leave."""
    left = line.left
    inclusive = [(rate, nearest(amount)) for rate, amount in _inclusive(rates, left)]
    base = left - sum(amount for _, amount in inclusive)
    for rate, amount in inclusive:
        line.taxes.append(Tax(rate, amount if rate.charged else 0, base))
        line.waived += 0 if rate.charged else amount
    for rate in rates:
        if not rate.inclusive:
            amount = nearest(base * rate.percent / 100) if rate.charged else 0
            line.taxes.append(Tax(rate, amount, base))


def _tax_invoice(entries: Sequence[Entry], lines: Sequence[LineSum]) -> None:
    """Each rate's tax once for the invoice. A line has what the running sum, rounded, grows by at it."""
    run: dict[str, Decimal] = {}

    def grow(rate: Rate, amount: Decimal) -> int:
        before = run.get(rate.id, Decimal(0))
        run[rate.id] = before + amount
        return nearest(run[rate.id]) - nearest(before)

    for entry, line in zip(entries, lines, strict=True):
        inclusive = list(_inclusive(entry.rates, line.left))
        base = line.left - sum((amount for _, amount in inclusive), Decimal(0))
        for rate, amount in inclusive:
            whole = grow(rate, amount)
            line.taxes.append(Tax(rate, whole if rate.charged else 0, nearest(base)))
            line.waived += 0 if rate.charged else whole
        for rate in entry.rates:
            if not rate.inclusive:
                whole = grow(rate, base * rate.percent / 100) if rate.charged else 0
                line.taxes.append(Tax(rate, whole, nearest(base)))


def _inclusive(rates: Sequence[Rate], left: int) -> Iterator[tuple[Rate, Decimal]]:
    """The inclusive taxes within an amount, unrounded."""
    inclusive = [rate for rate in rates if rate.inclusive]
    base = left / (1 + sum((rate.percent for rate in inclusive), Decimal(0)) / 100)
    for rate in inclusive:
        yield rate, base * rate.percent / 100
