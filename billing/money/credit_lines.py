"""A credit note by lines: how much of which lines of an invoice it takes back, and what that comes to.

Of a line Stripe takes back its share of the line's discounts and taxes. What it comes to is always as Stripe
previews it; it is reckoned here only because Stripe previews a note on a paid invoice to nobody who does not
say how much of it goes to the balance.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from ..core.errors import Code
from ..core.money import Money
from ..core.operations import Message, Problem
from ..stripe.invoice_amounts import InvoiceTax
from ..stripe.invoice_json import Rates, taxes_of

Document = Mapping[str, Any]

MOST_LINES = 10
"""Of one note: so many Stripe shows within it."""


class CreditLine(Message):
    """How much of an invoice's line is credited: an amount in minor units, as the line has it (before its
    discounts, and without taxes on top), or a part of its quantity."""

    line: str
    amount_minor: int | None = None
    quantity: int | None = None


class CreditedLine(Message):
    """A line as Stripe credits it; `quantity` is None where it was asked for by amount.

    `amount` is before the `discount` that is taken back with it, without taxes on top; `tax` is all of it.
    """

    line: str
    description: str | None
    quantity: int | None
    amount: Money
    discount: Money
    tax: Money


class LineCredit(Message):
    """What a credit note has taken of an invoice's line, in minor units: nothing where it was voided.

    `operation` is ours, None of a note that was made elsewhere.
    """

    operation: str | None
    amount: int


class LineToCredit(Message):
    """A line of an invoice of which something is asked for.

    All of it is before discounts and without taxes on top: the `amount` that is asked for, what was `billed`,
    and the `credits` that took of it before.
    """

    line: str
    name: str
    amount: Money
    billed: Money
    credits: tuple[LineCredit, ...] = ()

    @property
    def left(self) -> Money:
        """What credit notes may still take of it, never less than nothing."""
        return left_of(self.billed, (one.amount for one in self.credits))

    def without(self, operation: str) -> "LineToCredit":
        """As it was before this operation credited anything."""
        credits = tuple(one for one in self.credits if one.operation != operation)
        return self.model_copy(update={"credits": credits})

    def problem(self, held: int = 0, others: Sequence[str] = ()) -> Problem | None:
        """Why so much of it can't be credited beside the minor units that these other operations hold of it;
        None when it can. Stripe itself limits only what all notes of an invoice come to."""
        free = Money(amount_minor=max(self.left.amount_minor - held, 0), currency=self.left.currency)
        if 0 < self.amount.amount_minor <= free.amount_minor:
            return None
        left = f", of which {self.left.format()} is not credited yet" if self.credits else ""
        most = f"no more than {free.format()}" if free.amount_minor else "no more"
        beside = f" beside what {', '.join(others)} will credit" if others else ""
        return _problem(
            Code.CREDIT_LINE_TOO_LARGE,
            f"“{self.name}” was billed at {self.billed.format()}{left}: "
            f"{most} of it can be credited{beside}.",
        )


class NoteFigures(Message):
    """What Stripe says that a credit note comes to, taxes included, in minor units."""

    amount: int
    reduces_due: int
    to_balance: int
    lines: tuple[CreditedLine, ...]
    taxes: tuple[InvoiceTax, ...]


class ReckonedLines(NamedTuple):
    """Lines that are asked for, and what they come to with discounts and taxes, to a cent or two."""

    total: int
    lines: tuple[LineToCredit, ...]


def left_of(billed: Money, taken: Iterable[int]) -> Money:
    """What credit notes may still take of a line of which they took these minor units, never less than
    nothing."""
    return Money(amount_minor=max(billed.amount_minor - sum(taken), 0), currency=billed.currency)


def reckoned(
    wanted: Sequence[CreditLine],
    lines: Iterable[Document],
    credits: Mapping[str, Sequence[LineCredit]],
) -> ReckonedLines | Problem:
    """What these lines of an invoice come to, with the `credits` of each line before; or what is wrong."""
    known = {line["id"]: line for line in lines}
    total, asked = 0, []
    for one in wanted:
        line = known.get(one.line)
        if line is None:
            return _problem(Code.CREDIT_LINE_UNKNOWN, f"The invoice has no line {one.line}.")
        amount = _amount(one, line)
        to_credit = LineToCredit(
            line=one.line,
            name=line.get("description") or one.line,
            amount=Money(amount_minor=amount, currency=line["currency"]),
            billed=Money(amount_minor=line["amount"], currency=line["currency"]),
        )
        if problem := to_credit.problem():
            return problem
        asked.append(to_credit.model_copy(update={"credits": tuple(credits.get(one.line, ()))}))
        total += amount - _shares(line.get("discount_amounts"), amount, line["amount"])
        on_top = (tax for tax in line.get("taxes") or () if tax["tax_behavior"] == "exclusive")
        total += _shares(on_top, amount, line["amount"])
    return ReckonedLines(total, tuple(asked))


def lines_asked(wanted: Iterable[CreditLine]) -> list[dict[str, Any]]:
    """The parameters that ask Stripe for them."""
    return [
        {
            "type": "invoice_line_item",
            "invoice_line_item": one.line,
            **({"quantity": one.quantity} if one.quantity is not None else {"amount": one.amount_minor}),
        }
        for one in wanted
    ]


def asked_again(lines: Iterable[CreditedLine]) -> tuple[CreditLine, ...]:
    """What was asked for to come to these."""
    return tuple(
        CreditLine(
            line=one.line,
            quantity=one.quantity,
            amount_minor=one.amount.amount_minor if one.quantity is None else None,
        )
        for one in lines
    )


def figures_of(note: Document, rates: Rates, wanted: Iterable[CreditLine] = ()) -> NoteFigures:
    """Of a credit note or its preview, in Stripe's JSON."""
    asked = {one.line: one.quantity for one in wanted}
    currency = note["currency"]

    def money(amount: int) -> Money:
        return Money(amount_minor=amount, currency=currency)

    return NoteFigures(
        amount=note["total"],
        reduces_due=note["pre_payment_amount"],
        to_balance=note["post_payment_amount"],
        lines=tuple(
            CreditedLine(
                line=line.get("invoice_line_item") or line["id"],
                description=line.get("description"),
                quantity=asked.get(line.get("invoice_line_item") or ""),
                amount=money(line["amount"]),
                discount=money(line["discount_amount"]),
                tax=money(sum(tax["amount"] for tax in line.get("taxes") or ())),
            )
            for line in note["lines"]["data"]
        ),
        taxes=taxes_of(note, rates),
    )


def line_differences(
    agreed: Sequence[CreditedLine],
    taxes: Sequence[InvoiceTax],
    found: Sequence[CreditedLine],
    found_taxes: Sequence[InvoiceTax],
) -> tuple[str, ...]:
    """How the lines and taxes that Stripe has credited differ from those that were agreed."""
    return tuple(
        f"{name} is {_shown(new.get(name))} instead of {_shown(old.get(name))}"
        for old, new in ((_of_lines(agreed), _of_lines(found)), (_of_taxes(taxes), _of_taxes(found_taxes)))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    )


def _of_lines(lines: Iterable[CreditedLine]) -> dict[str, int]:
    return {
        f"{name} of line {line.line}": amount.amount_minor
        for line in lines
        for name, amount in (("amount", line.amount), ("discount", line.discount), ("tax", line.tax))
    }


def _of_taxes(taxes: Iterable[InvoiceTax]) -> dict[str, int]:
    kinds = {True: "included tax", False: "tax"}
    return {f"{kinds[tax.inclusive]} {tax.rate}": tax.amount_minor for tax in taxes}


def _shown(amount: int | None) -> str:
    return "missing" if amount is None else str(amount)


def _amount(wanted: CreditLine, line: Document) -> int:
    if wanted.quantity is None:
        return wanted.amount_minor or 0
    if wanted.quantity > (line.get("quantity") or 0):
        return int(line["amount"]) + 1  # more than was billed
    unit = ((line.get("pricing") or {}).get("unit_amount_decimal")) or None
    if unit is not None:
        return _nearest(Decimal(str(unit)) * wanted.quantity)
    return _nearest(Decimal(line["amount"]) * wanted.quantity / Decimal(line["quantity"]))


def _shares(parts: Iterable[Document] | None, amount: int, whole: int) -> int:
    return sum(_nearest(Decimal(part["amount"]) * amount / whole) for part in parts or ())


def _nearest(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_HALF_UP))


def _problem(code: Code, message: str) -> Problem:
    return Problem(code=code, message=message)
