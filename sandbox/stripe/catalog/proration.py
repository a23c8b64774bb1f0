"""What a subscription's items cost over a stretch of time: credits, debits and full periods, as drafts.

A changed item yields one credit for what is unused of the old price and one debit for what remains of the
new one, never netted, each rounded half-up on its magnitude; lines of zero are left out (Stripe:
"prorations" page). The two billing modes differ only in what a credit is reckoned from: *classic* takes the
item's current price, *flexible* the amounts that were really debited for the period, one credit line for
each ("billing mode" page).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from ..core.amounts import nearest, share, text
from .scales import Scale


@dataclass(frozen=True, slots=True)
class Charge:
    """A price times a quantity: one side of a change."""

    price: str
    product: str
    name: str
    scale: Scale
    currency: str
    interval: str
    interval_count: int
    quantity: int
    unit_label: str | None = None
    """What the product calls one of them."""

    @property
    def whole(self) -> Decimal:
        """The price of a full period, unrounded."""
        return self.scale.cost(self.quantity)

    @property
    def label(self) -> str:
        """The product's name with the quantity before it when it is not one."""
        return self.name if self.quantity == 1 else f"{self.quantity} × {self.name}"

    @property
    def counted(self) -> str:
        """The product's name with the quantity and what it is of: `2 users × Silver`."""
        unit = f" {self.unit_label}" if self.unit_label else ""
        return f"{self.quantity}{unit} × {self.name}"


Amounts = tuple[tuple[str, int], ...]
"""Amounts by the discounts that took them off."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What lies on an item beside its price: its discounts and its taxes."""

    discounts: tuple[str, ...] = ()
    rates: tuple[str, ...] | None = None
    """Tax rates of its own; None: those of the invoice."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What an item costs for a full period: before discounts, and what each takes off."""

    gross: Decimal
    off: Amounts = ()
    terms: Terms = field(default_factory=Terms)

    @property
    def net(self) -> Decimal:
        """What is charged."""
        return self.gross - sum(amount for _, amount in self.off)


@dataclass(frozen=True, slots=True)
class Debit:
    """An amount that was debited for a stretch of an item's period and not credited since."""

    amount: int
    """After discounts."""
    start: int
    end: int
    charge: Charge
    invoice_item: str | None
    invoice: str | None
    line: str | None
    off: Amounts = ()
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Draft:
    """A line to be: it becomes an invoice item, an invoice line or a line of a preview."""

    kind: Literal["credit", "debit", "recurring", "trial", "usage"]
    amount: int
    currency: str
    description: str | None
    start: int
    end: int
    quantity: int
    charge: Charge | None = None
    item: str | None = None
    credited: tuple[Debit, ...] = ()
    terms: Terms = field(default_factory=Terms)
    off: Amounts = ()
    """What discounts took off a proration, where its amount is the one before them."""

    @property
    def proration(self) -> bool:
        """Whether the line is a proration rather than a full price."""
        return self.kind in ("credit", "debit")


def credit_of_debit(item: str, debit: Debit, at: int, *, itemized: bool = False) -> Draft | None:
    """Flexible: the unused part at `at` of an amount that was debited; never more than that amount."""
    start = max(at, debit.start)
    if start >= debit.end:
        return None
    gross = debit.amount + sum(amount for _, amount in debit.off)
    worth = Worth(Decimal(gross), debit.off, debit.terms)
    stretch = (debit.end - start, debit.end - debit.start)
    return _proration(
        "credit", item, debit.charge, worth, stretch, start, debit.end, (debit,), itemized=itemized
    )


def credit_of_price(
    item: str,
    charge: Charge,
    worth: Worth,
    period: tuple[int, int],
    at: int,
    debits: Iterable[Debit],
    until: int,
) -> Draft | None:
    """Classic: the part from `at` until `until` of the item's current price."""
    stretch = (until - at, period[1] - period[0])
    return _proration("credit", item, charge, worth, stretch, at, until, tuple(debits))


def debit_of_price(
    item: str,
    charge: Charge,
    worth: Worth,
    period: tuple[int, int],
    at: int,
    until: int,
    *,
    itemized: bool = False,
) -> Draft | None:
    """The part of a period from `at` until `until` at this price."""
    stretch = (until - at, period[1] - period[0])
    return _proration("debit", item, charge, worth, stretch, at, until, (), itemized=itemized)


def credits(
    mode: str,
    item: str,
    charge: Charge,
    worth: Worth,
    period: tuple[int, int],
    at: int,
    debits: list[Debit],
    until: int,
    *,
    itemized: bool = False,
) -> list[Draft]:
    """The credit lines of an item whose price, quantity or period changes at `at`."""
    if mode == "classic":
        lines = [credit_of_price(item, charge, worth, period, at, debits, until)]
    else:
        lines = [credit_of_debit(item, debit, at, itemized=itemized) for debit in debits]
    return [line for line in lines if line is not None]


def recurring(item: str, charge: Charge, start: int, end: int, terms: Terms) -> Draft:
    """The full price of one period."""
    return _full("recurring", item, charge, (start, end), terms)


def usage(item: str, charge: Charge, span: tuple[int, int], terms: Terms) -> Draft:
    """The price of what was used in a time that is over."""
    return _full("usage", item, charge, span, terms)


def _full(
    kind: Literal["recurring", "usage"], item: str, charge: Charge, span: tuple[int, int], terms: Terms
) -> Draft:
    every = charge.interval if charge.interval_count == 1 else f"{charge.interval_count} {charge.interval}s"
    start, end = span
    return Draft(
        kind=kind,
        amount=nearest(charge.whole),
        currency=charge.currency,
        description=f"{charge.counted}{_rate(charge, every)}",
        start=start,
        end=end,
        quantity=charge.quantity,
        charge=charge,
        item=item,
        terms=terms,
    )


def _rate(charge: Charge, every: str) -> str:
    """What one unit costs, where there is one such price."""
    if charge.scale.mode is not None:
        return ""
    price = text(charge.scale.unit, charge.currency)
    per = f" per {charge.scale.divide_by}" if charge.scale.divide_by > 1 else ""
    return f" (at {price}{per} / {every})"


def trial(item: str, charge: Charge, start: int, end: int, terms: Terms, mode: str) -> Draft:
    """The line of a trial period: the price's place is shown, the amount is nothing (recorded texts)."""
    free = f"Free trial for {charge.counted}"
    return Draft(
        kind="trial",
        amount=0,
        currency=charge.currency,
        description=f"Trial period for {charge.label}" if mode == "classic" else free,
        start=start,
        end=end,
        quantity=charge.quantity,
        charge=charge,
        item=item,
        terms=terms,
    )


def _proration(
    kind: Literal["credit", "debit"],
    item: str,
    charge: Charge,
    worth: Worth,
    stretch: tuple[int, int],
    start: int,
    end: int,
    credited: tuple[Debit, ...],
    *,
    itemized: bool = False,
) -> Draft | None:
    if start >= end:
        return None
    sign = -1 if kind == "credit" else 1
    amount = sign * share(worth.gross if itemized else worth.net, *stretch)
    if amount == 0:
        return None
    off = tuple((discount, sign * share(part, *stretch)) for discount, part in worth.off) if itemized else ()
    word = "Unused" if kind == "credit" else "Remaining"
    day = datetime.fromtimestamp(start, UTC).strftime("%d %b %Y")
    return Draft(
        kind=kind,
        amount=amount,
        currency=charge.currency,
        description=f"{word} time on {charge.label} after {day}",
        start=start,
        end=end,
        quantity=charge.quantity,
        charge=charge,
        item=item,
        credited=credited,
        terms=worth.terms,
        off=off,
    )
