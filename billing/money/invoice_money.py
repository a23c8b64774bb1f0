"""What was paid for an invoice and what of it was given back: refunds and credit notes under one cap.

Stripe weighs the two apart: it refunds no more than a charge took, and takes credit notes up to the invoice's
total, so that a payment which was refunded whole can be credited once more. Here what is given back, in
whatever way, is never more than what was paid.
"""

from ..core.errors import Code
from ..core.money import Money
from ..core.operations import Message, Problem


class CreditedAmount(Message):
    """What a credit note gave back on the customer's balance or outside Stripe, in minor units; what refunds
    gave that it names is theirs. `operation` is ours, None for one that was made elsewhere."""

    credit_note: str
    amount: int
    operation: str | None = None


class EffectInStripe(Message):
    """What of an operation of ours Stripe shows already: its refund of a payment, or its credit note."""

    operation: str
    payment_intent: str | None = None


class InvoiceMoney(Message):
    """Amounts in minor units, as Stripe has them now.

    `paid` was paid by whatever means, the customer's balance included; `refunded` is what refunds took of its
    payments, those that are pending too; `disputed` is what the customer's bank has taken back of them, for
    good or until the dispute is won; `overpaid` has gone to the balance by itself.
    """

    invoice: str
    number: str | None
    currency: str
    paid: int
    refunded: int
    disputed: int = 0
    overpaid: int = 0
    notes: tuple[CreditedAmount, ...] = ()

    @property
    def credited(self) -> int:
        return self.overpaid + sum(note.amount for note in self.notes)

    @property
    def left(self) -> int:
        """What of it can still be given back, never less than nothing."""
        return max(self.paid - self.refunded - self.disputed - self.credited, 0)

    @property
    def named(self) -> str:
        return self.number or self.invoice

    def without(self, operation: str, refunded: int = 0) -> "InvoiceMoney":
        """As it was before this operation gave anything, of which `refunded` by refunds."""
        notes = tuple(note for note in self.notes if note.operation != operation)
        return self.model_copy(update={"notes": notes, "refunded": self.refunded - refunded})

    def problem(self, amount: Money, code: Code) -> Problem:
        """Why so much, which is more than what is left, can't be given back."""
        return Problem(
            code=code,
            message=f"{amount.format()} is more than the {self._money(self.left)} that can still be given "
            f"back of {self.named}. {self._told()}",
        )

    def nothing_left(self) -> Problem | None:
        """Why nothing at all can be given back; None when something can."""
        if self.left:
            return None
        return Problem(
            code=Code.ALREADY_GIVEN_BACK,
            message=f"All that was paid for {self.named} has been given back. {self._told()}",
        )

    def _told(self) -> str:
        paid, refunded, credited = map(self._money, (self.paid, self.refunded, self.credited))
        told = f"Of {paid} paid, {refunded} was refunded and {credited} credited"
        return f"{told}; {self._money(self.disputed)} is disputed." if self.disputed else f"{told}."

    def _money(self, amount_minor: int) -> str:
        return Money(amount_minor=amount_minor, currency=self.currency).format()


class InvoiceCap(Message):
    """What one operation may give back of an invoice, weighed beside what others have set aside of it."""

    money: InvoiceMoney
    counted: tuple[EffectInStripe, ...] = ()
    """What others have set aside, and Stripe shows already: it is taken off what is left."""
