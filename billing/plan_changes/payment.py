"""The payment of a change that is charged at once: the payer has to do something, or a bank takes its days.

Stripe keeps a change that needs its payer as a pending update: the subscription stays as it is until the
invoice is paid, and the update is dropped when its time is over, when the invoice is voided, or when the
subscription ends (Stripe, "Pending updates"). It has none for bank debits, nor where it only sends the
invoice.
"""

from typing import Any, Literal

from ..core.money import Money
from ..core.operations import Message, Payload, Problem
from ..mirror.bill import AUTHENTICATION, UNDER_WAY
from .obstacles import ENDED, subscription_ended_problem
from .subject import Collected, PlanChangeSubject, SubscriptionFacts
from .verification import ResultLines, ResultQuery

DEBITS = frozenset(
    {"acss_debit", "au_becs_debit", "bacs_debit", "bank_account", "sepa_debit", "us_bank_account"}
)
"""Stripe's types of payment methods that are debited over days."""

PAYMENT_FAILED = "payment_failed"

Needs = Literal["authentication", "payment_method", "time"]
"""What a payment waits for: that the payer confirms it to their bank, that they pay with a method that works,
or that a debit comes through."""


def how_collected(collection_method: str, payment_method: str | None) -> Collected:
    """How Stripe collects an invoice, by its own words for that and for the type of payment method."""
    if collection_method != "charge_automatically":
        return "sent"
    return "debited" if payment_method in DEBITS else "charged"


def may_wait(subject: PlanChangeSubject, facts: SubscriptionFacts) -> bool:
    """Whether the change can wait in Stripe for its payment.

    What else waits for the next invoice is on the previewed one, but in flexible billing mode Stripe leaves
    it out of that of a pending update: then only a payment at once bills what was approved. Usage until now
    is on it and lost with it, were it dropped. Not every version of Stripe's API keeps there that an end is
    taken back.
    """
    return (
        subject.charged_at_once
        and subject.takes_back is None
        and facts.collected == "charged"
        and not facts.terms.metered
        and all(line.period.start >= (subject.proration_date or 0) for line in subject.preview.lines)
    )


class PaymentQuery(ResultQuery):
    """The payment of which change to look at."""


class ChangePayment(Message):
    """How an invoice of a change stands, and whether the change is there. Times in UTC seconds."""

    stands: Literal["applied", "waits", "dropped"]
    """`waits`: as a pending update. `dropped`: nothing was changed, and nothing will be."""
    subscription_status: str
    expires_at: int | None = None
    """When the pending update is dropped."""
    invoice: str | None = None
    """None where the change made none."""
    number: str | None = None
    invoice_status: str | None = None
    invoice_ended_at: int | None = None
    """When it was voided or written off."""
    remaining: Money | None = None
    charged: bool = True
    """Whether Stripe charges it, where it would else only send it."""
    payment_status: str | None = None
    """Stripe's status of the charge."""
    refusal: Problem | None = None
    """Why the last charge did not come through."""
    lines: ResultLines | None = None
    """What Stripe holds of the change, once it is there and settled, where that could be read with it."""

    @property
    def settled(self) -> bool:
        """Whether the change is there, and no bank takes its days for it."""
        return self.stands == "applied" and not self.under_way

    @property
    def under_way(self) -> bool:
        """Whether a bank takes its days for it."""
        return self.invoice_status == "open" and self.payment_status == UNDER_WAY

    @property
    def needs(self) -> Needs:
        if self.payment_status == AUTHENTICATION:
            return "authentication"
        return "time" if self.payment_status == UNDER_WAY else "payment_method"


class AwaitedPayment(Payload):
    """The payment that a plan change waits for: of which invoice, of what, and until when (UTC seconds; None:
    until the bank says)."""

    about: Literal["awaited_payment"] = "awaited_payment"
    subscription: str
    invoice: str
    number: str | None
    amount: Money
    needs: Needs
    until: int | None
    problem: Problem | None = None
    """Why the last charge did not come through."""

    def document(self) -> dict[str, Any]:
        """Without a problem that there is not."""
        said = super().document()
        return said if self.problem else {name: value for name, value in said.items() if name != "problem"}


def awaited(subject: PlanChangeSubject, payment: ChangePayment) -> AwaitedPayment:
    """What the payer, and everybody who looks at the operation, is told."""
    assert payment.invoice is not None
    assert payment.remaining is not None
    return AwaitedPayment(
        subscription=subject.subscription,
        invoice=payment.invoice,
        number=payment.number,
        amount=payment.remaining,
        needs=payment.needs,
        until=payment.expires_at,
        problem=payment.refusal if payment.needs == "payment_method" else None,
    )


def dropped_problem(payment: ChangePayment, until: int | None) -> Problem:
    """Why a change that waited for its payment won't come; `until` is when Stripe would have dropped it."""
    if payment.subscription_status in ENDED:
        return subscription_ended_problem()
    ended_at = payment.invoice_ended_at
    if until is not None and ended_at is not None and ended_at >= until:
        return Problem(
            code="payment_expired",
            message="The change was not paid in time: Stripe has dropped it and voided its invoice. Nothing "
            "was changed or charged. Ask for it again where it is still wanted.",
        )
    return Problem(
        code="payment_voided",
        message="The invoice of the change was voided or written off in Stripe before it was paid, or "
        "another change took its place: Stripe has dropped it. Nothing was changed or charged.",
    )


def unpaid_problem(payment: ChangePayment) -> Problem | None:
    """Why a change that is there is not paid; None where it is, or its invoice was only sent. One that nobody
    pays any more is told by what differs."""
    if payment.invoice_status != "open" or not payment.charged:
        return None
    why = f": {payment.refusal.message.rstrip('.')}" if payment.refusal else ""
    return Problem(
        code=PAYMENT_FAILED,
        message=f"The change is there, but its payment failed{why}. Pay invoice "
        f"{payment.number or payment.invoice} under Plans, then have it read again; or accept it unpaid, or "
        "revert to the previous plan.",
    )
