"""What Stripe holds after a plan change, beside what was approved."""

from collections.abc import Collection, Iterator, Sequence

from ..core.money import Money
from ..core.operations import Message
from ..stripe.invoice_amounts import AmountDifference, InvoiceAmounts, compare_amounts
from .proration import (
    AnyDifference,
    Line,
    NextInvoice,
    OtherDifference,
    comparable,
    compare,
    own_lines,
)
from .subject import PlanChangeSubject, Terms

GIVEN_UP = ("void", "uncollectible")
"""What an invoice is that asks for nothing any more, whatever it says."""


class ResultQuery(Message):
    """Where to look for what a change left in Stripe.

    `invoice` is the newest one that Stripe's answer to the change named, if that is known; whether it is the
    change's own, it has to say itself, unless it is known to be.
    """

    subject: PlanChangeSubject
    effect_key: str
    invoice: str | None = None
    is_own: bool = False


class ResultLines(Message):
    """The lines that Stripe now holds for a change, and where they are.

    `amounts` are of the invoice that they are on, or wait for.
    """

    lines: tuple[Line, ...]
    amounts: InvoiceAmounts | None = None
    invoice: str | None = None
    invoice_status: str | None = None
    invoice_items: tuple[str, ...] = ()
    total: Money | None = None
    following: NextInvoice | None = None
    """What comes after an invoice of its own, if that is next still."""
    otherwise: tuple[str, ...] = ()
    """The names of what the subscription's items have otherwise after a change now."""


class Verification(Message):
    """Approved against actual, to the minor unit; `ok` only when nothing differs."""

    ok: bool
    approved: tuple[Line, ...]
    actual: tuple[Line, ...]
    differences: tuple[AnyDifference, ...] = ()


def expected_lines(subject: PlanChangeSubject) -> tuple[Line, ...]:
    """The approved lines that Stripe must hold once the change is applied.

    Charged at once, that is the whole immediate invoice; on the next invoice, only this change's own
    prorations (its renewal is not billed yet); at period end, the renewal itself.
    """
    lines = subject.preview.lines
    if subject.charged_at_once or subject.effective == "period_end":
        return lines
    return tuple(line for line in own_lines(lines, subject.proration_date or 0) if line.kind != "renewal")


def unforeseen(
    subject: PlanChangeSubject, terms: Terms, undone: Collection[str]
) -> tuple[OtherDifference, ...]:
    """What came at the end of the period that nobody had seen in time: `terms` are those since then, `undone`
    the names of what the change took away."""
    what = "changed in Stripe while the change waited, and undone by it"
    names = tuple(OtherDifference(name=name, says=what) for name in undone)
    if subject.replaces is None or subject.replaces.to != terms:
        return names
    what = "came into force after all: its schedule could not be rewritten before the period ended"
    return (OtherDifference(name=subject.replaces.operation, says=what), *names)


def verify(
    subject: PlanChangeSubject, found: ResultLines, unforeseen: Sequence[OtherDifference] = ()
) -> Verification:
    """Matches what Stripe holds with what was approved: line by line, and every amount of the invoice.

    What was `unforeseen` differs as well.
    """
    approved = expected_lines(subject)
    lines = compare(
        comparable(approved, subject.begins_new_period), comparable(found.lines, subject.begins_new_period)
    )
    amounts: tuple[AmountDifference, ...] = ()
    if found.amounts is not None:
        waits = not subject.charged_at_once and subject.effective == "now"
        which = "Next invoice, " if waits else ""
        amounts = compare_amounts(subject.preview.amounts, found.amounts, which)
    differences = (*lines, *amounts, *_following(subject, found), *_others(found), *unforeseen)
    return Verification(ok=not differences, approved=approved, actual=found.lines, differences=differences)


def _following(subject: PlanChangeSubject, found: ResultLines) -> Iterator[AmountDifference]:
    """What the next invoice is to ask for otherwise, where the change made one of its own before it."""
    approved, actual = subject.preview.next_invoice, found.following
    if actual is None or not subject.charged_at_once:
        return
    for name, before, now in (
        ("Total", approved.total, actual.total),
        ("Amount due", approved.amount_minor, actual.amount_minor),
    ):
        if (before, approved.currency) != (now, actual.currency):
            yield AmountDifference(
                name=f"Next invoice, {name}",
                is_sum=True,
                approved=Money(amount_minor=before, currency=approved.currency),
                actual=Money(amount_minor=now, currency=actual.currency),
            )


def _others(found: ResultLines) -> Iterator[OtherDifference]:
    if found.invoice_status in GIVEN_UP:
        what = f"{found.invoice_status} in Stripe: nobody has to pay it"
        yield OtherDifference(name=f"Invoice {found.invoice}", says=what)
    for name in found.otherwise:
        yield OtherDifference(name=name, says="otherwise in Stripe than was approved")
