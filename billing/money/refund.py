"""The refund: what is asked for, what of it Stripe can return, and what became of it."""

from collections.abc import Sequence
from typing import Any, Literal

from ..core.errors import Code
from ..core.hashing import digest
from ..core.messages import Reply
from ..core.money import Money, step_problem
from ..core.operations import Message, Payload, Problem
from ..policy.policy import Policy
from ..policy.reasons import RefundReason
from .invoice_money import EffectInStripe, InvoiceCap, InvoiceMoney
from .notes import Note

Reason = RefundReason

RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]


GONE = frozenset(["failed", "canceled"])
"""Statuses of refunds that took nothing from their payment in the end."""


class RefundWanted(Message):
    """The refund as the admin asks for it: of one payment, or of the payments of one invoice.

    `amount_minor` of None is all that is left; `currency`, where given, must be the payment's.
    """

    payment_intent: str | None = None
    invoice: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    reason: Reason
    note: str
    confirm_fraudulent: bool = False


class RefundableQuery(Message):
    """Which payment, or the payments of which invoice, to look at."""

    organization: str
    payment_intent: str | None = None
    invoice: str | None = None
    mirror: bool = True
    """Whether our mirror is to be refreshed with it."""


class RefundInStripe(Message):
    """A refund that Stripe has of a payment; `operation` is ours, None for one that was made elsewhere."""

    refund: str
    amount: int
    status: RefundStatus
    operation: str | None = None


class Payment(Message):
    """A payment that succeeded; amounts in minor units of the facts' currency."""

    payment_intent: str
    charge: str
    paid: int
    refunded: int
    disputed: bool
    """Whether a dispute keeps it from being refunded: one that is open or lost, no inquiry and none that was
    won."""
    refunds: tuple[RefundInStripe, ...] = ()

    @property
    def left(self) -> int:
        """What of it can still be returned."""
        return self.paid - self.refunded


class RefundableFacts(Message):
    """What Stripe says of the payments now, the oldest first; a `problem` is why none can be refunded."""

    customer: str | None = None
    invoice: str | None = None
    currency: str | None = None
    payments: tuple[Payment, ...] = ()
    cap: InvoiceCap | None = None
    """Where it was for an invoice: what was paid for that and given back of it, by whatever means."""
    problem: Problem | None = None


class RefundPart(Message):
    """What is returned of one payment."""

    payment_intent: str
    charge: str
    amount: int


class RefundSubject(Payload):
    """Exactly what is refunded: its hash is what an approval binds to."""

    about: Literal["refund"] = "refund"
    payment_intent: str | None
    """The payment, where it is only one."""
    invoice: str | None
    customer: str | None
    amount: Money
    parts: tuple[RefundPart, ...]
    reason: Reason
    note: str
    paid: Money
    refunded_before: Money


class RefundInput(Message):
    operation: str
    organization: str
    requested_by: str
    wanted: RefundWanted
    note: Note
    """The note that came with the request, as our records have it."""
    policy: Policy
    quoted: RefundSubject | None = None
    """What a quote has shown, where exactly that is asked for."""


class RefundRead(Message):
    """Which refund to look at, for the mirror too."""

    organization: str
    operation: str
    refund: str


class RefundFound(Message):
    """A refund as Stripe has it now."""

    refund: str
    status: RefundStatus
    amount: int
    currency: str
    payment_intent: str
    pending_reason: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str]


class ReviseRefund(Reply):
    """The edited request after an approver asked for changes."""

    wanted: RefundWanted
    note: Note


class ResolveRefund(Reply):
    """What a person does about a refund that failed: try it again, or leave it at what came through."""

    action: Literal["retry", "close"]
    comment: str


def without_own(facts: RefundableFacts, operation: str) -> RefundableFacts:
    """The facts as they were before this operation did anything, so that a reset workflow plans the same."""
    payments, cap, gave = [], facts.cap, 0
    for payment in facts.payments:
        own = sum(r.amount for r in payment.refunds if r.operation == operation and r.status not in GONE)
        payments.append(payment.model_copy(update={"refunded": payment.refunded - own}))
        gave += own
    if cap is not None:
        cap = cap.model_copy(update={"money": cap.money.without(operation, gave)})
    return facts.model_copy(update={"payments": tuple(payments), "cap": cap})


def plan_refund(wanted: RefundWanted, facts: RefundableFacts) -> RefundSubject | Problem:
    """The refund that is asked for, laid out over the payments, or why it can't be made as asked.

    Everything is checked before anything is done, so that no part of it is found impossible halfway.
    """
    if facts.problem is not None:
        return facts.problem
    assert facts.currency is not None
    currency = facts.currency
    if wanted.currency is not None and wanted.currency != currency:
        return _problem(
            Code.WRONG_CURRENCY,
            f"The payment is in {currency.upper()}, not in {wanted.currency.upper()}.",
        )
    whole = Money(amount_minor=sum(payment.paid for payment in facts.payments), currency=currency)
    open_ = [payment for payment in facts.payments if payment.left > 0]
    if not open_:
        return _problem(Code.ALREADY_REFUNDED, f"All {whole.format()} have already been refunded.")
    usable = [payment for payment in open_ if not payment.disputed]
    if not usable:
        return _problem(
            Code.CHARGE_DISPUTED,
            f"The customer disputes {open_[0].charge}: the bank moves the money, no refund is possible.",
        )
    if facts.cap is not None and (problem := facts.cap.money.nothing_left()):
        return problem
    rest = refundable(facts)
    amount = rest
    if wanted.amount_minor is not None:
        amount = Money(amount_minor=wanted.amount_minor, currency=currency)
    if amount > rest:
        if facts.cap is not None and amount.amount_minor > facts.cap.money.left:
            return facts.cap.money.problem(amount, Code.AMOUNT_ABOVE_REFUNDABLE)
        return _problem(
            Code.AMOUNT_ABOVE_REFUNDABLE,
            f"{amount.format()} is more than the {rest.format()} that can still be refunded.",
        )
    if step := step_problem(amount):
        return _problem(Code.AMOUNT_NOT_IN_STEPS, step)
    parts = tuple(_laid_out(usable, amount.amount_minor))
    return RefundSubject(
        payment_intent=parts[0].payment_intent if len(facts.payments) == 1 else None,
        invoice=facts.invoice,
        customer=facts.customer,
        amount=amount,
        parts=parts,
        reason=wanted.reason,
        note=wanted.note,
        paid=whole,
        refunded_before=Money(amount_minor=sum(p.refunded for p in facts.payments), currency=currency),
    )


def refundable(facts: RefundableFacts) -> Money:
    """How much of these payments can still be refunded; facts with a problem know of none."""
    assert facts.currency is not None
    left = sum(payment.left for payment in facts.payments if not payment.disputed and payment.left > 0)
    if facts.cap is not None:
        left = min(left, facts.cap.money.left)
    return Money(amount_minor=left, currency=facts.currency)


def left_to_refund(refundable: Money, taken: int) -> Money:
    """What is left of it without so many minor units, never less than nothing."""
    return refundable.model_copy(update={"amount_minor": max(refundable.amount_minor - taken, 0)})


def still_fits(parts: Sequence[RefundPart], facts: RefundableFacts) -> bool:
    """Whether these parts can be made as they were approved; more than enough room is no change."""
    room = {p.payment_intent: p.left for p in facts.payments if not p.disputed}
    return (
        facts.problem is None
        and (facts.cap is None or sum(part.amount for part in parts) <= facts.cap.money.left)
        and all(part.amount <= room.get(part.payment_intent, 0) for part in parts)
    )


def cap_of(money: InvoiceMoney, payments: Sequence[Payment]) -> InvoiceCap:
    """What limits everything that is given back of an invoice, by whatever means."""
    refunds = (
        EffectInStripe(operation=refund.operation, payment_intent=payment.payment_intent)
        for payment in payments
        for refund in payment.refunds
        if refund.operation is not None and refund.status not in GONE
    )
    notes = (EffectInStripe(operation=note.operation) for note in money.notes if note.operation is not None)
    return InvoiceCap(money=money, counted=(*refunds, *notes))


def refund_hash(subject: RefundSubject) -> str:
    """What an approval of the refund binds to."""
    return digest(subject.document())


def refund_params(subject: RefundSubject, part: RefundPart, note_metadata: dict[str, str]) -> dict[str, Any]:
    """What Stripe is asked: `POST /v1/refunds`. Its reasons are an enum; a person's words are metadata."""
    params: dict[str, Any] = {
        "charge": part.charge,
        "amount": part.amount,
        "metadata": {**note_metadata, "plixo_reason": subject.reason, "plixo_payment": part.payment_intent},
    }
    if subject.reason != "other":
        params["reason"] = subject.reason
    return params


def _laid_out(payments: Sequence[Payment], amount: int) -> list[RefundPart]:
    """The oldest payment first, each up to what is left of it."""
    parts = []
    for payment in payments:
        share = min(amount, payment.left)
        if share > 0:
            parts.append(
                RefundPart(payment_intent=payment.payment_intent, charge=payment.charge, amount=share)
            )
            amount -= share
    return parts


def _problem(code: str, message: str) -> Problem:
    return Problem(code=str(code), message=message)
