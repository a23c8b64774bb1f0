"""What is told of a credit: its result, and how it differs from what was agreed."""

from typing import Any, Literal

from ..core.money import Money
from ..core.operations import Payload, Problem
from .credit import CreditFound, CreditSubject, Instrument, credit_differences
from .notes import with_objects


class CreditResult(Payload):
    """What Stripe made of a credit. A negative balance is a credit."""

    about: Literal["credit"] = "credit"
    object: str
    instrument: Instrument
    customer: str
    invoice: str | None
    amount: Money
    reduces_due: Money
    to_balance: Money
    note: str
    differences: tuple[str, ...] = ()
    voided: bool = False
    verified: bool = False
    balance_after: Money | None = None
    """None before it is read back."""
    invoice_remaining: Money | None = None
    """What is still due on the invoice."""
    accepted_by: str | None = None
    comment: str | None = None
    """Of whoever accepted it."""
    note_problem: Problem | None = None
    """Why Stripe did not take its note."""

    def document(self) -> dict[str, Any]:
        """Without what was not read back, or nobody has said."""
        said = super().document()
        unsaid = {name for name in ("accepted_by", "comment", "note_problem") if said[name] is None}
        if not self.voided:
            unsaid.add("voided")
        if self.balance_after is None:
            unsaid |= {"balance_after", "invoice_remaining"}
        return {name: value for name, value in said.items() if name not in unsaid}


def credit_report(subject: CreditSubject, object_id: str, found: CreditFound | None) -> CreditResult:
    """The operation's result; what was not read back yet is as it was agreed."""
    currency = subject.amount.currency
    report = CreditResult(
        object=object_id,
        instrument=subject.instrument,
        customer=subject.customer,
        invoice=subject.invoice,
        amount=subject.amount,
        reduces_due=subject.reduces_due,
        to_balance=subject.to_balance,
        note=with_objects(subject.note, ()),
    )
    if found is None:
        return report
    differences = credit_differences(subject, found)
    left = found.invoice_remaining
    return report.model_copy(
        update={
            "amount": Money(amount_minor=found.amount, currency=found.currency),
            "reduces_due": Money(amount_minor=found.reduces_due, currency=found.currency),
            "to_balance": Money(amount_minor=found.to_balance, currency=found.currency),
            "balance_after": Money(amount_minor=found.balance_after, currency=currency),
            "invoice_remaining": None if left is None else Money(amount_minor=left, currency=currency),
            "differences": differences,
            "voided": found.voided,
            "verified": not differences,
        }
    )


def credit_problem(subject: CreditSubject, found: CreditFound) -> Problem | None:
    """What is wrong with the credit that Stripe has; None when it is as agreed."""
    differences = credit_differences(subject, found)
    if not differences:
        return None
    return Problem(code="credit_differs", message=f"In Stripe, {'; '.join(differences)}.")
