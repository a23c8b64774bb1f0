"""What is told of a credit: its result, and how it differs from what was agreed."""

from typing import Any

from ..core.operations import Problem
from .credit import CreditFound, CreditSubject, credit_differences
from .notes import with_payments


def credit_report(subject: CreditSubject, given: str, found: CreditFound | None) -> dict[str, Any]:
    """The operation's result; what was not read back yet is left out."""
    currency = subject.amount.currency
    report: dict[str, Any] = {
        "object": given,
        "instrument": subject.instrument,
        "customer": subject.customer,
        "invoice": subject.invoice,
        "amount": subject.amount.model_dump(),
        "reduces_due": subject.reduces_due.model_dump(),
        "to_balance": subject.to_balance.model_dump(),
        "note": with_payments(subject.note, ()),
        "differences": [],
        "verified": False,
    }
    if found is not None:
        differences = credit_differences(subject, found)
        report |= {
            "amount": {"amount_minor": found.amount, "currency": found.currency},
            "reduces_due": {"amount_minor": found.reduces_due, "currency": found.currency},
            "to_balance": {"amount_minor": found.to_balance, "currency": found.currency},
            "balance_after": {"amount_minor": found.balance_after, "currency": currency},
            "invoice_remaining": {"amount_minor": found.invoice_remaining, "currency": currency}
            if found.invoice_remaining is not None
            else None,
            "differences": list(differences),
            "verified": not differences,
        }
    return report


def credit_problem(subject: CreditSubject, found: CreditFound) -> Problem | None:
    """What is wrong with the credit that Stripe has; None when it is as agreed."""
    differences = credit_differences(subject, found)
    if not differences:
        return None
    return Problem(code="credit_differs", message=f"In Stripe, {'; '.join(differences)}.")
