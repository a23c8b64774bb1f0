"""What Stripe holds after a cancellation, beside what was approved."""

from typing import Any, Literal

from ..core.money import Money
from ..core.operations import Message, Payload, Problem
from ..money.notes import with_objects
from ..plan_changes.proration import Line
from ..stripe.invoice_amounts import InvoiceAmounts
from .cancellation import Action, CancellableFacts, CancellationSubject, unlike_bill
from .invoices import InvoiceAhead, LastInvoice


class LastInvoiceQuery(Message):
    """The newest invoice of a subscription that has ended, if it was made then; `before` is the one that was
    the newest when it was asked for."""

    organization: str
    subscription: str
    before: str | None


class CancellationResult(Payload):
    """What Stripe holds: `status` is the subscription's; times in UTC seconds."""

    about: Literal["cancellation"] = "cancellation"
    action: Action
    subscription: str
    status: str
    cancel_at: int | None = None
    ended_at: int | None = None
    invoice: str | None = None
    invoice_status: str | None = None
    lines: tuple[Line, ...] = ()
    amounts: InvoiceAmounts | None = None
    note: str
    differences: tuple[str, ...] = ()
    verified: bool = False
    accepted_by: str | None = None
    comment: str | None = None
    """Of whoever accepted it."""
    note_problem: Problem | None = None
    """Why Stripe did not take its note."""

    @property
    def total(self) -> Money | None:
        """Of the last invoice, where there is one."""
        if self.amounts is None:
            return None
        return Money(amount_minor=self.amounts.total, currency=self.amounts.currency)

    def document(self) -> dict[str, Any]:
        """Without what nobody has said."""
        said = super().document()
        unsaid = {name for name in ("accepted_by", "comment", "note_problem") if said[name] is None}
        return {name: value for name, value in said.items() if name not in unsaid}


def planned_report(
    subject: CancellationSubject, found: CancellableFacts, ahead: InvoiceAhead | None
) -> CancellationResult:
    """Of an end that is planned, or taken back: what the subscription says, and the invoice that follows."""
    wanted = {
        "cancel_at": subject.ends_at,
        "cancel_at_period_end": subject.action == "at_period_end",
        "ended_at": None,
    }
    holds = {
        "cancel_at": found.cancel_at,
        "cancel_at_period_end": found.at_period_end,
        "ended_at": found.ended_at,
    }
    differences = [
        f"{name} is {holds[name]} instead of {value}"
        for name, value in wanted.items()
        if holds[name] != value
    ]
    return _report(subject, found, None, (*differences, *unlike_bill(subject, ahead)))


def ended_report(
    subject: CancellationSubject, found: CancellableFacts, last: LastInvoice | None
) -> CancellationResult:
    """Of a plan that has ended: when, and the last invoice to the minor unit."""
    differences: list[str] = []
    if found.status != "canceled":
        differences.append(f"status is {found.status} instead of canceled")
    if subject.ends_at is not None and (found.ended_at or 0) < subject.ends_at:
        differences.append(f"ended_at is {found.ended_at} instead of {subject.ends_at}")
    differences += unlike_bill(subject, last)
    return _report(subject, found, last, tuple(differences))


def unread_report(subject: CancellationSubject) -> CancellationResult:
    """The result while nobody knows what Stripe holds."""
    return CancellationResult(
        action=subject.action,
        subscription=subject.subscription,
        status="unknown",
        note=with_objects(subject.note, [subject.subscription]),
    )


def cancellation_problem(report: CancellationResult) -> Problem | None:
    """What is wrong with what Stripe has; None when it is as agreed."""
    if not report.differences:
        return None
    return Problem(code="cancellation_differs", message=f"In Stripe, {'; '.join(report.differences)}.")


def taken_back_problem(by: str | None) -> Problem:
    """`by` is the operation of ours that took it back, if one did."""
    who = f"by {by}" if by is not None else "in Stripe itself"
    return Problem(
        code="cancellation_taken_back",
        message=f"The cancellation was taken back {who}: the plan goes on and renews.",
    )


def moved_problem(cancel_at: int) -> Problem:
    return Problem(
        code="cancellation_moved",
        message=f"Somebody set another end in Stripe itself (cancel_at {cancel_at}): what was approved here "
        "does not happen.",
    )


def _report(
    subject: CancellationSubject,
    found: CancellableFacts,
    last: LastInvoice | None,
    differences: tuple[str, ...],
) -> CancellationResult:
    return CancellationResult(
        action=subject.action,
        subscription=subject.subscription,
        status=found.status,
        cancel_at=found.cancel_at,
        ended_at=found.ended_at,
        invoice=last.invoice if last else None,
        invoice_status=last.status if last else None,
        lines=last.lines if last else (),
        amounts=last.amounts if last else None,
        note=with_objects(subject.note, [subject.subscription]),
        differences=differences,
        verified=not differences,
    )
