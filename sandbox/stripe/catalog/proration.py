"""What a subscription's items cost over a stretch of time: credits, debits and full periods, as drafts.

A changed item yields one credit for what is unused of the old price and one debit for what remains of the
new one, never netted, each rounded half-up on its magnitude; lines of zero are left out (Stripe:
"prorations" page). The two billing modes differ only in what a credit is reckoned from: *classic* takes the
item's current price, *flexible* the amounts that were really debited for the period, one credit line for
each ("billing mode" page).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from ..core.amounts import nearest, share, text


@dataclass(frozen=True, slots=True)
class Charge:
    """A price times a quantity: one side of a change."""

    price: str
    product: str
    name: str
    unit_amount: Decimal
    currency: str
    interval: str
    interval_count: int
    quantity: int

    @property
    def whole(self) -> Decimal:
        """The price of a full period, unrounded."""
        return self.unit_amount * self.quantity

    @property
    def label(self) -> str:
        """The product's name with the quantity before it when it is not one."""
        return self.name if self.quantity == 1 else f"{self.quantity} × {self.name}"


@dataclass(frozen=True, slots=True)
class Debit:
    """An amount that was debited for a stretch of an item's period and not credited since."""

    amount: int
    start: int
    end: int
    charge: Charge
    invoice_item: str | None
    invoice: str | None
    line: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A line to be: it becomes an invoice item, an invoice line or a line of a preview."""

    kind: Literal["credit", "debit", "recurring", "item"]
    amount: int
    currency: str
    description: str | None
    start: int
    end: int
    quantity: int
    charge: Charge | None = None
    item: str | None = None
    credited: tuple[Debit, ...] = ()
    invoice_item: dict[str, Any] | None = None

    @property
    def proration(self) -> bool:
        """Whether the line is a proration rather than a full price."""
        return self.kind in ("credit", "debit")


def credit_of_debit(item: str, debit: Debit, at: int) -> Draft | None:
    """Flexible: the unused part at `at` of an amount that was debited; never more than that amount."""
    start = max(at, debit.start)
    if start >= debit.end:
        return None
    amount = -share(debit.amount, debit.end - start, debit.end - debit.start)
    return _proration("credit", item, debit.charge, amount, start, debit.end, (debit,))


def credit_of_price(
    item: str, charge: Charge, period: tuple[int, int], at: int, debits: Iterable[Debit]
) -> Draft | None:
    """Classic: the unused part at `at` of the item's current price."""
    amount = -share(charge.whole, period[1] - at, period[1] - period[0])
    return _proration("credit", item, charge, amount, at, period[1], tuple(debits))


def debit_of_price(item: str, charge: Charge, period: tuple[int, int], at: int) -> Draft | None:
    """What remains at `at` of a period at this price."""
    amount = share(charge.whole, period[1] - at, period[1] - period[0])
    return _proration("debit", item, charge, amount, at, period[1], ())


def credits(
    mode: str, item: str, charge: Charge, period: tuple[int, int], at: int, debits: list[Debit]
) -> list[Draft]:
    """The credit lines of an item whose price, quantity or period changes at `at`."""
    if mode == "classic":
        lines = [credit_of_price(item, charge, period, at, debits)]
    else:
        lines = [credit_of_debit(item, debit, at) for debit in debits]
    return [line for line in lines if line is not None]


def recurring(item: str, charge: Charge, start: int, end: int) -> Draft:
    """The full price of one period."""
    every = charge.interval if charge.interval_count == 1 else f"{charge.interval_count} {charge.interval}s"
    price = text(charge.unit_amount, charge.currency)
    return Draft(
        kind="recurring",
        amount=nearest(charge.whole),
        currency=charge.currency,
        description=f"{charge.quantity} × {charge.name} (at {price} / {every})",
        start=start,
        end=end,
        quantity=charge.quantity,
        charge=charge,
        item=item,
    )


def trial(item: str, charge: Charge, start: int, end: int) -> Draft:
    """The line of a trial period: the price's place is shown, the amount is nothing."""
    return Draft(
        kind="recurring",
        amount=0,
        currency=charge.currency,
        description=f"Trial period for {charge.label}",
        start=start,
        end=end,
        quantity=charge.quantity,
        charge=charge,
        item=item,
    )


def _proration(
    kind: Literal["credit", "debit"],
    item: str,
    charge: Charge,
    amount: int,
    start: int,
    end: int,
    credited: tuple[Debit, ...],
) -> Draft | None:
    if amount == 0:
        return None
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
    )
