"""Prorations: the lines of an invoice or preview, their hash, and approved against actual."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from ..core.hashing import digest
from ..core.money import Currency, Money
from ..core.operations import Message
from ..stripe.invoice_amounts import AmountDifference, InvoiceAmounts

LineKind = Literal["credit", "debit", "renewal"]


class Period(Message):
    """From `start` up to `end`, in UTC seconds."""

    start: int
    end: int


class Line(Message):
    """One line of an invoice, in minor units; a credit is negative. `price` is "" for a one-off amount."""

    kind: LineKind
    description: str
    amount_minor: int
    period: Period
    price: str
    quantity: int

    def identity(self) -> tuple[LineKind, int, int, int, str, int]:
        """Everything but the wording: two lines that agree in it are the same line."""
        return (
            self.kind,
            self.amount_minor,
            self.period.start,
            self.period.end,
            self.price,
            self.quantity,
        )


class NextInvoice(Message):
    """What the next invoice will ask for, in minor units, and when (UTC seconds) if that is known.

    `amount_minor` is due then, with what already waits for it and after the balance; `total` is before that.
    """

    amount_minor: int
    total: int
    currency: Currency
    date: int | None = None


class Preview(Message):
    """What a change would cost: its lines, what is due at once and what the next invoice will be.

    `amounts` are of the invoice that the lines are of: the one that is due at once, or else the next one.
    """

    lines: tuple[Line, ...]
    amounts: InvoiceAmounts
    due_now: Money
    next_invoice: NextInvoice
    total: int
    currency: Currency
    hash: str


class Difference(Message):
    """A line that was approved and is not there, or is there and was not approved."""

    what: Literal["missing", "unexpected"]
    line: Line

    @property
    def words(self) -> str:
        what = "missing" if self.what == "missing" else "not approved"
        return f"{self.line.description}: {what}"


class OtherDifference(Message):
    """Something else that is not as it was approved, by its name."""

    what: Literal["other"] = "other"
    name: str
    says: str

    @property
    def words(self) -> str:
        return f"{self.name}: {self.says}"


AnyDifference = Difference | AmountDifference | OtherDifference


def lines_hash(lines: Iterable[Line], currency: str) -> str:
    """SHA-256 over every amount, period, price and quantity; order and wording do not matter."""
    return digest({"currency": currency, "lines": sorted(line.identity() for line in lines)})


def own_lines(lines: Iterable[Line], proration_date: int) -> tuple[Line, ...]:
    """The lines of the change pinned at `proration_date` (UTC seconds), without those of other changes
    and without a renewal that begins later.

    An anchor that is reset bills the new period from that very second: that renewal is the change's own.
    """
    return tuple(line for line in lines if line.period.start == proration_date)


def begins_new_period(lines: Iterable[Line], current: Period, price: str) -> bool:
    """Whether Stripe bills a whole new period at this price from within the current one.

    It does when the interval changes, and, in classic billing mode, when a price of nothing becomes one of
    something: the period then begins in the second in which the change is carried out. What somebody put on
    the next invoice by hand is no proration either, but of another price.
    """
    return any(
        line.kind == "renewal" and line.price == price and current.start <= line.period.start < current.end
        for line in lines
    )


def comparable(lines: tuple[Line, ...], new_period: bool) -> tuple[Line, ...]:
    """Lines as they are compared: a period that begins when the change is applied has no fixed place yet."""
    if not new_period:
        return lines
    anywhere = Period(start=0, end=0)
    return tuple(
        line.model_copy(update={"period": anywhere}) if line.kind == "renewal" else line for line in lines
    )


def waiting(renewal: Iterable[Line], prices: Collection[str]) -> tuple[Line, ...]:
    """What waits for a renewal: all of it but the period's own lines, which are what `prices` cost."""
    return tuple(line for line in renewal if line.kind != "renewal" or line.price not in prices)


class Side(Message):
    """The lines below zero, or all others, with their total."""

    lines: tuple[Line, ...]
    total: Money


def sides(lines: Sequence[Line], currency: str) -> tuple[Side, Side]:
    """What is given back and what is charged, apart."""
    credits = tuple(line for line in lines if line.amount_minor < 0)
    debits = tuple(line for line in lines if line.amount_minor >= 0)
    return _side(credits, currency), _side(debits, currency)


def _side(lines: tuple[Line, ...], currency: str) -> Side:
    total = Money(amount_minor=sum(line.amount_minor for line in lines), currency=currency)
    return Side(lines=lines, total=total)


def waiting_on_both(
    immediate: Sequence[Line], renewal: Sequence[Line], prices: Collection[str]
) -> tuple[Line, ...]:
    """What waits for an invoice and is on both previews: the immediate invoice takes it, the renewal won't.

    `prices` are those of a full period.
    """
    both, _ = _paired(waiting(renewal, prices), immediate)
    return tuple(both)


def missing_from(invoice: Sequence[Line], lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines that the invoice does not have."""
    return tuple(_paired(lines, invoice)[1])


def compare(approved: Sequence[Line], actual: Sequence[Line]) -> tuple[Difference, ...]:
    """Line by line, as multisets: empty means that exactly what was approved is there."""
    return (
        *(Difference(what="missing", line=line) for line in missing_from(actual, approved)),
        *(Difference(what="unexpected", line=line) for line in missing_from(approved, actual)),
    )


def _paired(lines: Sequence[Line], others: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """The lines that have a partner among the others, and those that have none."""
    partners = Counter(line.identity() for line in others)
    paired: list[Line] = []
    alone: list[Line] = []
    for line in lines:
        if partners[line.identity()] > 0:
            partners[line.identity()] -= 1
            paired.append(line)
        else:
            alone.append(line)
    return paired, alone
