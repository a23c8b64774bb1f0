"""What Stripe holds after a cancellation, beside what was approved."""

from typing import Any, Literal

from ..core.money import Money
from ..core.operations import Message, Payload, Problem
from ..core.utc import utc_moment
from ..money.notes import with_objects
from ..plan_changes.proration import Line
from ..stripe.invoice_amounts import InvoiceAmounts
from .cancellation import Action, CancellableFacts, CancellationSubject, unlike_bill
from .invoices import InvoiceAhead, LastInvoice


class LastInvoiceQuery(Message):
    """The newest invoice of a subscription that has ended, if it was made then; `before` is the one that was
    the newest when it was asked for. What was used at the `metered` prices is left out, as it was before."""

    organization: str
    subscription: str
    before: str | None
    metered: frozenset[str] = frozenset()


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
    differences: list[str] = []
    if found.ended_at is not None:
        differences.append(f"the plan ended on {utc_moment(found.ended_at)}")
    elif found.cancel_at != subject.ends_at:
        differences.append(_other_end(subject.ends_at, found.cancel_at))
    elif found.at_period_end != (subject.action == "at_period_end"):
        how = "with its period" if found.at_period_end else "on that day, whatever becomes of its period"
        differences.append(f"the plan is set to end {how}")
    return _report(subject, found, None, (*differences, *unlike_bill(subject, ahead)))


def ended_report(
    subject: CancellationSubject, found: CancellableFacts, last: LastInvoice | None
) -> CancellationResult:
    """Of a plan that has ended: when, and the last invoice to the minor unit."""
    differences: list[str] = []
    if found.status != "canceled":
        differences.append(f"the plan has not ended: its subscription is {found.status}")
    elif subject.ends_at is not None and (found.ended_at or 0) < subject.ends_at:
        ended = f"on {utc_moment(found.ended_at)}" if found.ended_at else "at a time that Stripe doesn't tell"
        differences.append(f"the plan ended {ended}, not on {utc_moment(subject.ends_at)}")
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


def awaits_invoice(subject: CancellationSubject, report: CancellationResult) -> bool:
    """Whether a plan has ended and its last invoice is still to come, or to become final."""
    if report.ended_at is None:
        return False
    if report.invoice is None:
        return subject.bill is not None and not subject.bill.is_of_nothing
    return report.invoice_status == "draft"


def cancellation_problem(report: CancellationResult) -> Problem | None:
    """What is wrong with what Stripe has; None when it is as agreed."""
    if not report.differences:
        return None
    return Problem(code="cancellation_differs", message=f"In Stripe, {'; '.join(report.differences)}.")


def taken_back_problem(by: str | None) -> Problem:
    """`by` is the operation of ours that took it back, if one did."""
    who = f"by another request ({by})" if by is not None else "in Stripe itself"
    return Problem(
        code="cancellation_taken_back",
        message=f"The cancellation was taken back {who}: the plan goes on and renews.",
    )


def ended_sooner_problem(by: str) -> Problem:
    """`by` is the operation of ours that ended it."""
    return Problem(
        code="cancellation_overtaken",
        message=f"The plan was ended at once by another request ({by}), before its period did: nothing is "
        "left of this end.",
    )


def moved_problem(cancel_at: int) -> Problem:
    return Problem(
        code="cancellation_moved",
        message=f"In Stripe itself, the plan was set to end on {utc_moment(cancel_at)}: what was approved "
        "here does not take effect.",
    )


def _other_end(approved: int | None, found: int | None) -> str:
    if found is None:
        return "the plan is not set to end"
    instead = f", not on {utc_moment(approved)}" if approved is not None else ""
    return f"the plan is set to end on {utc_moment(found)}{instead}"


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
