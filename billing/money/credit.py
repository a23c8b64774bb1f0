"""The credit: what is asked for, which instrument fits, what it does to the customer's bills.

Which instrument for what (Stripe, Credit notes and Customer balance): goodwill or a future bill is a balance
transaction; what is wrong on a finalized invoice is a credit note on it; money back is a refund.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..core.errors import Code
from ..core.hashing import digest
from ..core.messages import Reply
from ..core.money import Money, step_problem
from ..core.operations import Message, Payload, Problem
from ..policy.policy import Policy
from ..policy.reasons import CreditReason as CreditReason
from ..stripe.invoice_amounts import InvoiceTax
from .credit_lines import (
    CreditedLine,
    CreditLine,
    LineToCredit,
    NoteFigures,
    asked_again,
    line_differences,
    lines_asked,
)
from .invoice_money import InvoiceCap
from .notes import Note

Instrument = Literal["balance", "credit_note"]

STRIPE_REASONS = frozenset(["duplicate", "fraudulent", "order_change", "product_unsatisfactory"])
"""Those that a credit note itself can carry; every reason is in the metadata as well."""


class CreditWanted(Message):
    """The credit as the admin asks for it; a credit note also names its `invoice`, and may be of its `lines`
    instead of an amount."""

    customer: str
    amount_minor: int | None = None
    lines: tuple[CreditLine, ...] = ()
    currency: str
    instrument: Instrument
    invoice: str | None = None
    tell_customer: bool = False
    """Whether Stripe mails the credit note to the customer."""
    reason: CreditReason
    note: str


class CreditableQuery(Message):
    organization: str
    customer: str
    invoice: str | None = None
    lines: tuple[CreditLine, ...] = ()
    """Of the invoice, that are to be credited."""
    mirror: bool = True
    """Whether our mirror is to be refreshed with it."""


class CreditableInvoice(Message):
    """An invoice as a credit note sees it; minor units. `credited`: by the credit notes that it has."""

    invoice: str
    number: str | None
    status: str
    currency: str
    total: int
    remaining: int
    credited: int

    @property
    def left(self) -> int:
        """What credit notes may still come to."""
        return self.total - self.credited


class CreditableFacts(Message):
    """What Stripe says now; a `problem` is why no credit can be given. A negative balance is a credit."""

    customer: str | None = None
    currency: str | None = None
    """That in which Stripe keeps the customer's balance, None before the first use."""
    balance: int = 0
    invoice: CreditableInvoice | None = None
    cap: InvoiceCap | None = None
    """What was paid for the invoice and given back of it, where anything was paid."""
    lines: tuple[LineToCredit, ...] = ()
    """That are asked for, with what earlier notes have taken of them."""
    of_lines: int | None = None
    """What they come to, as it is reckoned."""
    note: NoteFigures | None = None
    """Their note, as Stripe previews it."""
    problem: Problem | None = None


class CreditSubject(Payload):
    """Exactly what is credited: its hash is what an approval binds to.

    `reduces_due` is taken off the open invoice at once, `to_balance` off the customer's next bills.
    """

    about: Literal["credit"] = "credit"
    customer: str
    instrument: Instrument
    invoice: str | None
    invoice_number: str | None
    amount: Money
    reduces_due: Money
    to_balance: Money
    lines: tuple[CreditedLine, ...] = ()
    """Of a credit note by lines, with their shares of discounts and taxes."""
    taxes: tuple[InvoiceTax, ...] = ()
    tell_customer: bool = False
    reason: CreditReason
    note: str

    def document(self) -> dict[str, Any]:
        """Without what it has nothing of."""
        said = super().document()
        return {
            name: value
            for name, value in said.items()
            if name not in ("lines", "taxes", "tell_customer") or value
        }

    def bound(self) -> dict[str, Any]:
        return bound_of_credit(self.document())


class CreditInput(Message):
    operation: str
    organization: str
    requested_by: str
    wanted: CreditWanted
    note: Note
    """The note that came with the request, as our records have it."""
    policy: Policy
    quoted: CreditSubject | None = None
    """What a quote has shown, where exactly that is asked for."""


class CreditRead(Message):
    """Which credit to look at after it was given, for the mirror too."""

    organization: str
    operation: str
    customer: str
    instrument: Instrument
    invoice: str | None
    lines: tuple[CreditLine, ...] = ()
    """That were asked for."""
    object: str


class CreditFound(Message):
    """A credit as Stripe has it now: its amounts as positive numbers."""

    object: str
    amount: int
    currency: str
    reduces_due: int
    to_balance: int
    balance_after: int
    """The customer's balance now; negative is credit."""
    invoice_remaining: int | None = None
    lines: tuple[CreditedLine, ...] = ()
    taxes: tuple[InvoiceTax, ...] = ()
    voided: bool = False
    metadata: dict[str, str]


class ReviseCredit(Reply):
    """The edited request after an approver asked for changes."""

    wanted: CreditWanted
    note: Note


def check_choice(wanted: CreditWanted) -> Problem | None:
    """What is wrong with the choice of instrument in itself, with the one that fits; None if nothing is."""
    if wanted.instrument == "credit_note" and wanted.invoice is None:
        return _problem(
            Code.INVOICE_MISSING,
            "A credit note corrects an invoice: specify the invoice. "
            "For goodwill, or to credit future invoices, credit the balance.",
        )
    if wanted.instrument == "balance" and wanted.invoice is not None:
        return _problem(
            Code.INVOICE_NOT_FOR_BALANCE,
            "A balance credit applies to the customer's future invoices, not to a single one: leave the "
            "invoice out. To correct that invoice, choose a credit note.",
        )
    if wanted.instrument == "credit_note" and wanted.reason == "goodwill":
        return _problem(
            Code.INSTRUMENT_UNFIT,
            "A credit note states that the invoice was wrong, which goodwill does not. "
            "Credit the balance, or choose the reason why the invoice is corrected.",
        )
    if wanted.instrument == "balance" and (wanted.lines or wanted.tell_customer):
        return _problem(
            Code.CREDIT_NOTE_ONLY,
            "A balance credit has no lines, and Stripe mails nothing of it: leave both out, or choose a "
            "credit note.",
        )
    if (wanted.amount_minor is None) is not bool(wanted.lines):
        return _problem(Code.CREDIT_AMOUNT_OR_LINES, "Specify either an amount, or the lines of an invoice.")
    names = [one.line for one in wanted.lines]
    if len(set(names)) < len(names) or any(
        (one.amount_minor is None) is (one.quantity is None) for one in wanted.lines
    ):
        return _problem(
            Code.CREDIT_AMOUNT_OR_LINES,
            "Name each line once, with either its amount_minor or its quantity.",
        )
    return None


def plan_credit(wanted: CreditWanted, facts: CreditableFacts) -> CreditSubject | Problem:
    """The credit that is asked for, or why it can't be given as asked, with the instrument that fits."""
    problem = check_choice(wanted) or facts.problem
    if problem is not None:
        return problem
    credited = wanted.amount_minor if wanted.amount_minor is not None else _of_lines(facts)
    amount = Money(amount_minor=credited, currency=wanted.currency)
    kept_in = facts.invoice.currency if facts.invoice else facts.currency
    if kept_in not in (None, amount.currency):
        of = "invoice" if facts.invoice else "customer's balance"
        return _problem(
            Code.WRONG_CURRENCY,
            f"The {of} is in {str(kept_in).upper()}, not in {amount.currency.upper()}.",
        )
    if step := step_problem(amount):
        return _problem(Code.AMOUNT_NOT_IN_STEPS, step)
    due = 0
    if facts.invoice is not None:
        problem = _invoice_problem(facts.invoice, amount) or _line_problem(facts.lines)
        if problem is not None:
            return problem
        due = min(amount.amount_minor, facts.invoice.remaining)
        back = Money(amount_minor=amount.amount_minor - due, currency=amount.currency)
        if facts.cap is not None and back.amount_minor > facts.cap.money.left:
            return facts.cap.money.problem(back, Code.AMOUNT_ABOVE_CREDITABLE)
    reduces_due = Money(amount_minor=due, currency=amount.currency)
    return CreditSubject(
        customer=wanted.customer,
        instrument=wanted.instrument,
        invoice=wanted.invoice,
        invoice_number=facts.invoice.number if facts.invoice else None,
        amount=amount,
        reduces_due=reduces_due,
        to_balance=amount - reduces_due,
        lines=facts.note.lines if facts.note else (),
        taxes=facts.note.taxes if facts.note else (),
        tell_customer=wanted.tell_customer,
        reason=wanted.reason,
        note=wanted.note,
    )


def without_own_note(facts: CreditableFacts, operation: str) -> CreditableFacts:
    """Cap and lines as they were before this operation gave anything, so that a reset workflow plans the
    same."""
    lines = tuple(line.without(operation) for line in facts.lines)
    cap = facts.cap and facts.cap.model_copy(update={"money": facts.cap.money.without(operation)})
    return facts.model_copy(update={"cap": cap, "lines": lines})


def bound_of_credit(document: Mapping[str, Any]) -> dict[str, Any]:
    """A subject's document without the names of tax rates: somebody may rename one at any time. That of
    forged evidence may hold anything."""
    taxes = document.get("taxes")
    if not isinstance(taxes, list):
        return dict(document)
    unnamed = [{**tax, "name": None} if isinstance(tax, dict) else tax for tax in taxes]
    return {**document, "taxes": unnamed}


def credit_hash(subject: CreditSubject) -> str:
    """What an approval of the credit binds to."""
    return digest(subject.bound())


def credit_params(subject: CreditSubject, note_metadata: dict[str, str]) -> dict[str, Any]:
    """What Stripe is asked: a balance transaction (negative is credit) or a credit note."""
    metadata = {**note_metadata, "plixo_reason": subject.reason}
    if subject.instrument == "balance":
        return {
            "amount": -subject.amount.amount_minor,
            "currency": subject.amount.currency,
            "metadata": metadata,
        }
    params: dict[str, Any] = {
        "invoice": subject.invoice,
        # Stripe would mail the customer of itself.
        "email_type": "credit_note" if subject.tell_customer else "none",
        "metadata": metadata,
    }
    if subject.lines:
        params["lines"] = lines_asked(asked_again(subject.lines))
    else:
        params["amount"] = subject.amount.amount_minor
    if subject.to_balance.amount_minor:
        params["credit_amount"] = subject.to_balance.amount_minor
    if subject.reason in STRIPE_REASONS:
        params["reason"] = subject.reason
    return params


def credit_differences(subject: CreditSubject, found: CreditFound) -> tuple[str, ...]:
    """How what Stripe holds differs from what was agreed; nothing when it is as agreed."""
    agreed = {
        "amount": subject.amount.amount_minor,
        "currency": subject.amount.currency,
        "reduces_due": subject.reduces_due.amount_minor,
        "to_balance": subject.to_balance.amount_minor,
    }
    differences = [
        f"{name} is {getattr(found, name)} instead of {wanted}"
        for name, wanted in agreed.items()
        if getattr(found, name) != wanted
    ]
    if subject.lines:
        differences += line_differences(subject.lines, subject.taxes, found.lines, found.taxes)
    return (*differences, *(["it was voided"] if found.voided else []))


def _of_lines(facts: CreditableFacts) -> int:
    """What the lines come to: as Stripe says, or as it is reckoned where nothing of it can be credited."""
    if facts.note is not None:
        return facts.note.amount
    assert facts.of_lines is not None, "there are lines, a note of them, or a problem"
    return facts.of_lines


def _invoice_problem(invoice: CreditableInvoice, amount: Money) -> Problem | None:
    named = invoice.number or invoice.invoice
    if invoice.status == "draft":
        return _problem(
            Code.INVOICE_NOT_CREDITABLE,
            f"Invoice {named} is a draft: change the draft itself, or finalize it first. "
            "A credit note needs a finalized invoice.",
        )
    if invoice.status not in ("open", "paid"):
        return _problem(
            Code.INVOICE_NOT_CREDITABLE,
            f"Invoice {named} is {invoice.status}: nothing is owed on it that a credit note could correct. "
            "For the customer's next bill credit the balance.",
        )
    left = Money(amount_minor=invoice.left, currency=invoice.currency)
    if amount > left:
        return _problem(
            Code.AMOUNT_ABOVE_CREDITABLE,
            f"{amount.format()} is more than the {left.format()} of {named} that is not credited yet. "
            "Ask for less, or for a balance credit.",
        )
    return None


def _line_problem(lines: Iterable[LineToCredit]) -> Problem | None:
    return next((problem for line in lines if (problem := line.problem())), None)


def _problem(code: str, message: str) -> Problem:
    return Problem(code=str(code), message=message)
