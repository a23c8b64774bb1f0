"""The invoice that a cancellation leads to, as it was previewed and as it came.

Stripe ends a plan in the second in which it is told to: a credit for unused time is then less than it was,
and what is taken off it or put on it falls with it.
"""

from typing import Any

from ..core.money import Money
from ..core.operations import Message
from ..plan_changes.proration import Line, compare
from ..stripe.invoice_amounts import InvoiceAmounts, compare_amounts
from .unused_time import ROUNDING, unlike_lines


class InvoiceAheadQuery(Message):
    """Which preview to ask for; what is used at the `metered` prices is billed on top of it, and left out."""

    params: dict[str, Any]
    metered: frozenset[str] = frozenset()


class InvoiceAhead(Message):
    """An invoice that Stripe would make, by its preview."""

    lines: tuple[Line, ...]
    line_totals: tuple[int, ...]
    """What each of them comes to, after discounts and with the taxes on top of it."""
    amounts: InvoiceAmounts
    unattached: tuple[str, ...] = ()
    """The descriptions of what waits for the customer's next invoice, whichever it is."""

    @property
    def is_of_nothing(self) -> bool:
        """Whether Stripe makes none of it."""
        return not self.lines and not self.amounts.total


class InvoicesAhead(Message):
    """`invoice` is the one that it leads to: the last one, or, taken back, the next one. `without` is the
    last one if unused time were not credited, where it may be."""

    invoice: InvoiceAhead | None = None
    without: InvoiceAhead | None = None


class LastInvoice(Message):
    """An invoice that Stripe made."""

    invoice: str
    status: str
    lines: tuple[Line, ...]
    amounts: InvoiceAmounts


AnyInvoice = InvoiceAhead | LastInvoice


def unlike(
    approved: InvoiceAhead | None, actual: AnyInvoice | None, *, passes: bool = False
) -> tuple[str, ...]:
    """How an invoice differs, in words; the balance apart, which is others' as well.

    `passes`: time has passed since its preview, and takes off its credits for unused time.
    """
    if approved is None or actual is None:
        return _one_is_missing(approved, actual)
    if passes and approved.lines != actual.lines:
        return _unlike_in_time(approved, actual)
    lines = (one.words for one in compare(approved.lines, actual.lines))
    amounts = compare_amounts(approved.amounts, actual.amounts, balance=False)
    return (*lines, *(one.words for one in amounts))


def same_balance(approved: InvoiceAhead | None, actual: AnyInvoice | None) -> bool:
    """Whether both begin with the same balance, by which is known what is due and what is left over."""
    if approved is None or actual is None:
        return True
    return approved.amounts.starting_balance == actual.amounts.starting_balance


def _unlike_in_time(approved: InvoiceAhead, actual: AnyInvoice) -> tuple[str, ...]:
    lines = unlike_lines(approved.lines, actual.lines)
    if lines:
        return tuple(f"{line.description}: not as approved" for line in lines)
    credits = sum(line.kind == "credit" for line in approved.lines)
    less = sum(line.amount_minor for line in actual.lines) - sum(line.amount_minor for line in approved.lines)
    gross = sum(line.amount_minor for line in approved.lines if line.kind == "credit")
    totals = sum(
        total
        for total, line in zip(approved.line_totals, approved.lines, strict=True)
        if line.kind == "credit"
    )
    # Discounts and taxes of a credit fall with it.
    expected = approved.amounts.total + (less * totals // gross if gross else 0)
    currency = approved.amounts.currency
    found = [
        f"{amount.name}: nobody has approved it"
        for key, amount in actual.amounts.named().items()
        if key[0] in ("discount", "tax") and amount.amount_minor and key not in approved.amounts.named()
    ]
    if abs(expected - actual.amounts.total) > ROUNDING * 2 * max(1, credits):
        before, now = (
            Money(amount_minor=one, currency=currency).format() for one in (expected, actual.amounts.total)
        )
        found.append(f"Total: {before} approved, {now} in Stripe")
    return tuple(found)


def _one_is_missing(approved: InvoiceAhead | None, actual: AnyInvoice | None) -> tuple[str, ...]:
    one = approved or actual
    if one is None or (not one.lines and not one.amounts.total):
        return ()
    total = Money(amount_minor=one.amounts.total, currency=one.amounts.currency).format()
    missing = "there is no such invoice" if approved is not None else "nobody has approved it"
    return (f"invoice of {total}: {missing}",)
