"""What is told of a void or write-off: its result, and how it differs from what was agreed."""

from typing import Any

from ..core.money import Money
from ..core.operations import Payload, Problem
from .notes import with_objects
from .waiver import Action, WaivedInvoice, WaiverSubject, waiver_differences


class WaiverResult(Payload):
    """What Stripe made of a void or write-off; `status` is the invoice's."""

    about: Action
    invoice: str
    customer: str
    status: str
    amount: Money
    to_balance: Money
    note: str
    differences: tuple[str, ...] = ()
    verified: bool = False
    accepted_by: str | None = None
    comment: str | None = None
    """Of whoever accepted it."""
    note_problem: Problem | None = None
    """Why Stripe did not take its note."""

    def document(self) -> dict[str, Any]:
        """Without what nobody has said."""
        said = super().document()
        unsaid = {name for name in ("accepted_by", "comment", "note_problem") if said[name] is None}
        return {name: value for name, value in said.items() if name not in unsaid}


def waiver_report(subject: WaiverSubject, found: WaivedInvoice | None) -> WaiverResult:
    """The operation's result; what was not read back yet is as it was agreed."""
    report = WaiverResult(
        about=subject.about,
        invoice=subject.invoice,
        customer=subject.customer,
        status=subject.becomes,
        amount=subject.amount,
        to_balance=subject.to_balance,
        note=with_objects(subject.note, [subject.invoice]),
    )
    if found is None:
        return report
    differences = waiver_differences(subject, found)
    return report.model_copy(
        update={
            "status": found.status,
            "to_balance": Money(amount_minor=found.to_balance, currency=found.currency),
            "differences": differences,
            "verified": not differences,
        }
    )


def waiver_problem(subject: WaiverSubject, found: WaivedInvoice) -> Problem | None:
    """What is wrong with the invoice that Stripe has; None when it is as agreed."""
    differences = waiver_differences(subject, found)
    if not differences:
        return None
    return Problem(code="waiver_differs", message=f"In Stripe, {'; '.join(differences)}.")
