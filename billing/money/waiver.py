"""The waiver: what is left of an open invoice is given up, by voiding it or by writing it off.

A void says that the invoice should never have been sent; a write-off, that it was right and will not be paid.
Both give the customer money as a refund does: what they come to counts in the same windows.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from ..core.errors import Code
from ..core.hashing import digest
from ..core.messages import Reply
from ..core.money import Money
from ..core.operations import Kind, Message, Payload, Problem
from ..policy.policy import Policy
from ..policy.reasons import VoidReason, WriteOffReason
from ..stripe.effects import EffectKind
from .notes import Note

Action = Literal["void", "write_off"]
Status = Literal["void", "uncollectible"]

WAIVERS = (Kind.VOID, Kind.WRITE_OFF)

BECOMES: Mapping[Action, Status] = MappingProxyType({"void": "void", "write_off": "uncollectible"})
"""The status that Stripe gives the invoice."""
EFFECTS: Mapping[Status, EffectKind] = MappingProxyType(
    {"void": "invoice.void", "uncollectible": "invoice.mark_uncollectible"}
)
_VERBS: Mapping[Action, str] = MappingProxyType({"void": "void", "write_off": "write off"})


class WaiverWanted(Message):
    """The void or write-off as the admin asks for it: of all that is left of one invoice."""

    action: Action
    invoice: str
    reason: VoidReason | WriteOffReason
    note: str


class WaivableQuery(Message):
    organization: str
    invoice: str
    mirror: bool = True
    """Whether our mirror is to be refreshed with it."""


class WaivableInvoice(Message):
    """An invoice as Stripe has it now; minor units."""

    invoice: str
    number: str | None
    customer: str
    status: str
    currency: str
    total: int
    paid: int
    credited: int
    """By credit notes that lowered what was due."""
    remaining: int
    from_balance: int = 0
    """What the customer's balance paid of it, which a void gives back; negative for a debt that was added."""
    payments: bool = False
    """Whether a payment has paid a part of it."""
    processing: str | None = None
    """A payment that is on its way."""
    starts: str | None = None
    """The subscription that is incomplete until this invoice is paid, and ends with it."""

    @property
    def named(self) -> str:
        return self.number or self.invoice


class WaivableFacts(Message):
    """What Stripe says now; a `problem` is why nothing can be said of it."""

    invoice: WaivableInvoice | None = None
    problem: Problem | None = None


class WaiverSubject(Payload):
    """Exactly what is given up: its hash is what an approval binds to.

    `amount` is what counts: what is `remaining`, with what a void gives back to the customer's balance
    (`to_balance`), which had paid a part of the invoice.
    """

    about: Action
    becomes: Status
    customer: str
    invoice: str
    invoice_number: str | None
    amount: Money
    remaining: Money
    to_balance: Money
    total: Money
    paid: Money
    credited: Money
    reason: VoidReason | WriteOffReason
    note: str


class WaiverInput(Message):
    operation: str
    organization: str
    requested_by: str
    wanted: WaiverWanted
    note: Note
    """The note that came with the request, as our records have it."""
    policy: Policy
    quoted: WaiverSubject | None = None
    """What a quote has shown, where exactly that is asked for."""

    @property
    def kind(self) -> Kind:
        return Kind(self.wanted.action)


class WaiverRead(Message):
    """Which invoice to look at after it was voided or written off, for the mirror too."""

    organization: str
    invoice: str


class WaivedInvoice(Message):
    """The invoice as Stripe has it now; minor units."""

    status: str
    currency: str
    total: int
    paid: int
    credited: int
    to_balance: int = 0
    """What the void has given back to the customer's balance; negative for a debt that was put back."""
    metadata: dict[str, str]


class ReviseWaiver(Reply):
    """The edited request after an approver asked for changes."""

    wanted: WaiverWanted
    note: Note


def plan_waiver(wanted: WaiverWanted, facts: WaivableFacts) -> WaiverSubject | Problem:
    """What would be given up, or why it can't be."""
    if facts.problem is not None:
        return facts.problem
    invoice = facts.invoice
    assert invoice is not None, "there is an invoice or a problem"
    problem = _obstacle(wanted.action, invoice)
    if problem is not None:
        return problem

    def money(amount_minor: int) -> Money:
        return Money(amount_minor=amount_minor, currency=invoice.currency)

    to_balance = invoice.from_balance if wanted.action == "void" else 0
    return WaiverSubject(
        about=wanted.action,
        becomes=BECOMES[wanted.action],
        customer=invoice.customer,
        invoice=invoice.invoice,
        invoice_number=invoice.number,
        # A debt that the void puts back on the customer's balance stays owed: it lowers nothing here.
        amount=money(invoice.remaining + max(to_balance, 0)),
        remaining=money(invoice.remaining),
        to_balance=money(to_balance),
        total=money(invoice.total),
        paid=money(invoice.paid),
        credited=money(invoice.credited),
        reason=wanted.reason,
        note=wanted.note,
    )


def waiver_hash(subject: WaiverSubject) -> str:
    """What an approval of it binds to."""
    return digest(subject.document())


def waiver_differences(subject: WaiverSubject, found: WaivedInvoice) -> tuple[str, ...]:
    """How what Stripe holds differs from what was agreed; nothing when it is as agreed."""
    agreed = {
        "status": subject.becomes,
        "currency": subject.total.currency,
        "total": subject.total.amount_minor,
        "paid": subject.paid.amount_minor,
        "credited": subject.credited.amount_minor,
        "to_balance": subject.to_balance.amount_minor,
    }
    return tuple(
        f"{name} is {getattr(found, name)} instead of {wanted}"
        for name, wanted in agreed.items()
        if getattr(found, name) != wanted
    )


def _obstacle(action: Action, invoice: WaivableInvoice) -> Problem | None:
    """Why the invoice can't be voided or written off, whoever allows it."""
    named, verb = invoice.named, _VERBS[action]
    match invoice.status:
        case "draft":
            return _problem(Code.INVOICE_DRAFT, f"Invoice {named} is a draft: nothing is owed on it yet.")
        case "paid":
            return _problem(Code.INVOICE_PAID, f"Invoice {named} is paid: there is nothing left to {verb}.")
        case "void" | "uncollectible":
            state = "void" if invoice.status == "void" else "written off"
            return _problem(
                Code.INVOICE_ENDED, f"Invoice {named} is already {state}: nobody asks the customer for it."
            )
    if invoice.processing is not None:
        return _problem(
            Code.PAYMENT_IN_FLIGHT,
            f"Payment {invoice.processing} of invoice {named} is still being processed by the bank.",
        )
    if invoice.payments and action == "void":
        paid = Money(amount_minor=invoice.paid, currency=invoice.currency)
        return _problem(
            Code.INVOICE_PART_PAID,
            f"Of invoice {named} {paid.format()} was paid, and Stripe voids only what nothing was paid of.",
        )
    if invoice.starts is not None:
        return _problem(
            Code.FIRST_INVOICE,
            f"Subscription {invoice.starts} has not begun: it waits for invoice {named}, and would end "
            "with it.",
        )
    return None


def _problem(code: Code, message: str) -> Problem:
    return Problem(code=code, message=message)
