"""What an invoice asks for beside its lines: discounts, taxes, balance and what is due, in minor units.

    gross − discounts on items = subtotal − discounts on the invoice + exclusive taxes = total
    starting balance + total − amount due = ending balance

A balance below zero is a credit, as in Stripe. An inclusive tax is within the lines, so it changes no sum.
"""

from collections.abc import Iterator
from typing import Literal

from ..core.money import Currency, Money
from ..core.operations import Message


class InvoiceDiscount(Message):
    """What a coupon takes off, in all; `on_items` where it is an item's own, and within the subtotal."""

    coupon: str
    name: str
    on_items: bool
    amount_minor: int


class InvoiceTax(Message):
    """What a tax rate comes to, in all; below zero on a credit. `percentage` is None where it isn't known."""

    rate: str
    name: str
    percentage: str | None
    inclusive: bool
    amount_minor: int


class InvoiceAmount(Message):
    """One amount of an invoice, with its words."""

    name: str
    amount_minor: int
    is_sum: bool = False
    """Whether it is one of those before it, together."""


class AmountDifference(Message):
    """An amount that is not what was approved; `name` says which one of which invoice.

    That of a sum follows from others.
    """

    what: Literal["amount"] = "amount"
    name: str
    is_sum: bool = False
    approved: Money
    actual: Money

    @property
    def words(self) -> str:
        return f"{self.name}: {self.approved.format()} approved, {self.actual.format()} in Stripe"


class InvoiceAmounts(Message):
    """All of it; each discount and each tax once."""

    currency: Currency
    gross: int
    """Of the lines, before discounts and taxes on top."""
    discounts: tuple[InvoiceDiscount, ...] = ()
    subtotal: int
    taxes: tuple[InvoiceTax, ...] = ()
    waived_tax: int = 0
    """Inclusive tax that the customer doesn't owe, and that Stripe takes off therefore."""
    shipping: int = 0
    total: int
    starting_balance: int
    amount_due: int

    @property
    def ending_balance(self) -> int:
        """What is left for later invoices."""
        return self.starting_balance + self.total - self.amount_due

    @property
    def off_items(self) -> int:
        """What the discounts of items take off."""
        return sum(one.amount_minor for one in self.discounts if one.on_items)

    @property
    def due(self) -> Money:
        return Money(amount_minor=self.amount_due, currency=self.currency)

    def named(self) -> dict[tuple[str, ...], InvoiceAmount]:
        """Every amount that is approved, by what it is an amount of."""
        return dict(self._named())

    def rows(self) -> tuple[InvoiceAmount, ...]:
        """What stands between the lines and what is due, in an invoice's order; empty where nothing does."""
        rows = [_off(one) for one in self.discounts if one.on_items]
        if self.subtotal != self.total or rows:
            rows.append(_sum("Subtotal", self.subtotal))
        rows += [_off(one) for one in self.discounts if not one.on_items]
        rows += [_on(one) for one in self.taxes if not one.inclusive]
        if self.waived_tax:
            rows.append(InvoiceAmount(name=WAIVED, amount_minor=-self.waived_tax))
        if self.shipping:
            rows.append(InvoiceAmount(name="Shipping", amount_minor=self.shipping))
        included = [_on(one) for one in self.taxes if one.inclusive]
        moved = self.starting_balance or (self.total > 0 and self.ending_balance)
        if rows or included or moved:
            rows.append(_sum("Total", self.total))
        rows += included
        if moved:
            rows.append(InvoiceAmount(name="Balance before", amount_minor=self.starting_balance))
            rows.append(InvoiceAmount(name="Balance afterwards", amount_minor=self.ending_balance))
        return tuple(rows)

    def _named(self) -> Iterator[tuple[tuple[str, ...], InvoiceAmount]]:
        yield ("gross",), _sum("Lines", self.gross)
        for discount in self.discounts:
            key = ("discount", discount.coupon, "items" if discount.on_items else "invoice")
            yield key, InvoiceAmount(name=discount_words(discount), amount_minor=discount.amount_minor)
        yield ("subtotal",), _sum("Subtotal", self.subtotal)
        for tax in self.taxes:
            key = ("tax", tax.rate, "inclusive" if tax.inclusive else "exclusive")
            yield key, _on(tax)
        yield ("waived_tax",), InvoiceAmount(name=WAIVED, amount_minor=self.waived_tax)
        yield ("shipping",), InvoiceAmount(name="Shipping", amount_minor=self.shipping)
        yield ("total",), _sum("Total", self.total)
        yield (
            ("starting_balance",),
            InvoiceAmount(name="Balance before", amount_minor=self.starting_balance),
        )
        yield ("amount_due",), _sum("Amount due", self.amount_due)
        yield ("ending_balance",), _sum("Balance afterwards", self.ending_balance)


WAIVED = "Included tax that is not charged"
ORDER = (
    *("gross", "discount", "subtotal", "tax", "waived_tax", "shipping"),
    *("total", "starting_balance", "amount_due", "ending_balance"),
)
OF_BALANCE = ORDER[-3:]


def discount_words(discount: InvoiceDiscount) -> str:
    return f"Discount {discount.name}"


def tax_words(tax: InvoiceTax) -> str:
    """`Tax 19% (DE VAT)`, and that it is included where it is."""
    percent = f" {tax.percentage}%" if tax.percentage is not None else ""
    return f"{'Included tax' if tax.inclusive else 'Tax'}{percent} ({tax.name})"


def compare_amounts(
    approved: InvoiceAmounts, actual: InvoiceAmounts, invoice: str = "", *, balance: bool = True
) -> tuple[AmountDifference, ...]:
    """Every amount that is not to the minor unit what it was; what only one of the two has is 0 of the other.

    `invoice` goes before each name, where it is not the invoice of the change itself. Without `balance`, as
    far as the total: what is due after it depends on the balance before.
    """
    old, new = approved.named(), actual.named()
    found = (
        AmountDifference(
            name=f"{invoice}{(old.get(key) or new[key]).name}",
            is_sum=(old.get(key) or new[key]).is_sum,
            approved=_money(approved, old.get(key)),
            actual=_money(actual, new.get(key)),
        )
        for key in sorted(old | new, key=lambda key: ORDER.index(key[0]))
        if balance or key[0] not in OF_BALANCE
    )
    return tuple(one for one in found if one.approved != one.actual)


def bound(amounts: InvoiceAmounts) -> dict[str, int]:
    """All that an approval binds to, whatever it is called."""
    return {":".join(key): one.amount_minor for key, one in amounts.named().items() if one.amount_minor}


def _money(amounts: InvoiceAmounts, amount: InvoiceAmount | None) -> Money:
    return Money(amount_minor=amount.amount_minor if amount else 0, currency=amounts.currency)


def _sum(name: str, amount: int) -> InvoiceAmount:
    return InvoiceAmount(name=name, amount_minor=amount, is_sum=True)


def _off(discount: InvoiceDiscount) -> InvoiceAmount:
    return InvoiceAmount(name=discount_words(discount), amount_minor=-discount.amount_minor)


def _on(tax: InvoiceTax) -> InvoiceAmount:
    return InvoiceAmount(name=tax_words(tax), amount_minor=tax.amount_minor)
