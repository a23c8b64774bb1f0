"""The cancellation of an organization's own plan: at the end of its period, now, or taken back.

Only what Stripe then bills or credits is money; what counts for the authority is the value of the time that
is paid for and not used, whether it is credited or given up.
"""

from typing import Literal

from pydantic import Field

from ..core.errors import Code, InvalidRequest
from ..core.hashing import digest
from ..core.messages import Reply
from ..core.money import Money
from ..core.operations import Message, Payload, Problem
from ..core.utc import utc_day
from ..money.notes import Note
from ..plan_changes.obstacles import (
    OpenInvoice,
    SubscriptionState,
    in_the_way,
    not_taken_back,
    subscription_ended_problem,
)
from ..plan_changes.subject import Terms
from ..policy.policy import Policy
from ..policy.reasons import CancellationReason
from .invoices import AnyInvoice, InvoiceAhead, InvoicesAhead, same_balance, unlike

Action = Literal["at_period_end", "now", "take_back"]
UnusedTime = Literal["credit", "forfeit"]
"""What becomes of the time that is paid for when a plan ends now."""

STOPS_NOW = (
    "subscription_ended",
    "subscription_incomplete",
    "subscription_scheduled",
    "subscription_update_pending",
    "collection_paused",
)
STOPS_LATER = STOPS_NOW[:-1]
STOPS_TAKING_BACK = ("subscription_ended", "subscription_scheduled")
"""Which obstacles of a plan change are in the way of a cancellation, too."""


class CancellationWanted(Message):
    """The cancellation as the admin asks for it; `unused_time` goes with `now` only."""

    action: Action
    unused_time: UnusedTime | None = None
    reason: CancellationReason = "other"
    note: str


class CancellableQuery(Message):
    organization: str
    subscription: str
    mirror: bool = True
    """Whether our mirror is to be refreshed with it."""


class CancellableFacts(SubscriptionState):
    """What Stripe says of the subscription now; times in UTC seconds."""

    subscription: str
    customer: str
    currency: str
    period_end: int
    terms: Terms | None = None
    unsupported: Problem | None = None
    """Why it is to none of our plans; `terms` are None then."""
    ended_at: int | None = None
    ended_by: str | None = None
    """Which operation ended it at once, where one did."""
    newest_invoice: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    open_invoices: tuple[OpenInvoice, ...] = ()


class CancellationSubject(Payload):
    """Exactly what is reviewed: its hash is what an approval binds to.

    Stripe takes no second for the end of a plan now: the credit in `bill` is that of the second in which
    it was previewed, and falls with each second until it is carried out.
    """

    about: Literal["cancellation"] = "cancellation"
    action: Action
    unused_time: UnusedTime | None
    subscription: str
    customer: str
    terms: Terms
    period_end: int
    ends_at: int | None
    """When the plan ends, in UTC seconds; None for now, and for never."""
    cancel_at: int | None
    """When it was to end so far."""
    at_period_end: bool
    amount: Money
    """What counts: the value of the unused time."""
    bill: InvoiceAhead | None
    open_invoices: tuple[OpenInvoice, ...]
    newest_invoice: str | None
    reason: CancellationReason
    note: str

    @property
    def due(self) -> Money:
        """What the invoice asks for."""
        return Money(
            amount_minor=self.bill.amounts.amount_due if self.bill else 0, currency=self.amount.currency
        )

    @property
    def left_over(self) -> Money:
        """What the last invoice leaves as credit on the balance, which nothing uses up any more."""
        balance = self.bill.amounts.ending_balance if self.bill else 0
        return Money(amount_minor=max(0, -balance), currency=self.amount.currency)


class CancellationQuery(Message):
    """What is wanted, of which subscription."""

    of: CancellableQuery
    wanted: CancellationWanted


class CancellationLook(Message):
    """What would be done by what Stripe says now, or why it can't be."""

    subject: CancellationSubject | None = None
    problem: Problem | None = None


class CancellationInput(Message):
    operation: str
    organization: str
    subscription: str
    requested_by: str
    wanted: CancellationWanted
    note: Note
    """The note that came with the request, as our records have it."""
    policy: Policy
    quoted: CancellationSubject | None = None
    """What a quote has shown, where exactly that is asked for."""


class ReviseCancellation(Reply):
    """The edited request after an approver asked for changes."""

    wanted: CancellationWanted
    note: Note


def check_wanted(wanted: CancellationWanted) -> None:
    """What is wrong in itself. Raises InvalidRequest `unused_time_unfit`."""
    if (wanted.action == "now") != (wanted.unused_time is not None):
        raise InvalidRequest(
            Code.UNUSED_TIME_UNFIT,
            "Only a plan that ends now has time that is paid for and not used"
            if wanted.unused_time is not None
            else "A plan that ends now leaves time unused that is paid for",
            field="unused_time",
        )


def in_the_way_of(wanted: CancellationWanted, facts: CancellableFacts) -> Problem | None:
    """Why it can't be done, by the subscription alone; None when it can."""
    stops = {"now": STOPS_NOW, "at_period_end": STOPS_LATER, "take_back": STOPS_TAKING_BACK}[wanted.action]
    for problem in in_the_way(facts):
        if problem.code in stops:
            return problem
    if wanted.action == "at_period_end" and facts.cancel_at is not None:
        return Problem(
            code=Code.ALREADY_CANCELLING,
            message=f"The plan is already set to end on {utc_day(facts.cancel_at)}.",
        )
    if wanted.action == "take_back":
        return not_taken_back(facts.planned_end, facts.period_end)
    return None


def plan_cancellation(
    wanted: CancellationWanted, facts: CancellableFacts, ahead: InvoicesAhead
) -> CancellationSubject | Problem:
    """What would be done, or why it can't be."""
    problem = in_the_way_of(wanted, facts) or facts.unsupported or _on_the_invoice(wanted, ahead)
    if problem is not None:
        return problem
    assert facts.terms is not None, "there are terms, or why not"
    invoice = ahead.without if wanted.unused_time == "forfeit" else ahead.invoice
    return CancellationSubject(
        action=wanted.action,
        unused_time=wanted.unused_time,
        subscription=facts.subscription,
        customer=facts.customer,
        terms=facts.terms,
        period_end=facts.period_end,
        ends_at=facts.period_end if wanted.action == "at_period_end" else None,
        cancel_at=facts.cancel_at,
        at_period_end=facts.at_period_end,
        amount=Money(amount_minor=_value(wanted, ahead), currency=facts.currency),
        bill=invoice,
        open_invoices=facts.open_invoices,
        newest_invoice=facts.newest_invoice,
        reason=wanted.reason,
        note=wanted.note,
    )


def cancellation_hash(subject: CancellationSubject) -> str:
    """What an approval of it binds to."""
    return digest(subject.document())


def still_as_approved(approved: CancellationSubject, now: CancellationSubject) -> bool:
    """Whether it is what was approved, to the last amount, but for the time that has passed since.

    What coupons, rates and products are called counts for nothing.
    """
    rest = {"bill": None, "amount": None}
    if approved.model_copy(update=rest) != now.model_copy(update=rest) or now.amount > approved.amount:
        return False
    return not unlike_bill(approved, now.bill) and same_balance(approved.bill, now.bill)


def unlike_bill(approved: CancellationSubject, actual: AnyInvoice | None) -> tuple[str, ...]:
    """How an invoice that it leads to differs from the approved one, in words."""
    return unlike(approved.bill, actual, passes=approved.unused_time == "credit")


def ended_problem(facts: CancellableFacts, wanted: CancellationWanted) -> Problem | None:
    """Why nothing can come of the request any more; None while something can."""
    problem = in_the_way_of(wanted, facts)
    if problem is None or problem.code in (Code.ALREADY_CANCELLING, Code.NOT_CANCELLING):
        return problem
    return problem if beyond_revision(problem) else None


def beyond_revision(problem: Problem) -> bool:
    """Whether no other cancellation could be asked for instead."""
    return problem.code == subscription_ended_problem().code


def _value(wanted: CancellationWanted, ahead: InvoicesAhead) -> int:
    """What crediting the unused time takes off the last invoice, after discounts and with its taxes."""
    if wanted.action != "now":
        return 0
    with_credit = ahead.invoice.amounts.total if ahead.invoice else 0
    without = ahead.without.amounts.total if ahead.without else 0
    return max(0, without - with_credit)


def _on_the_invoice(wanted: CancellationWanted, ahead: InvoicesAhead) -> Problem | None:
    """What would not be billed as it waits now."""
    waiting = ahead.without if wanted.action == "now" else ahead.invoice
    if wanted.action == "take_back" or waiting is None:
        return None
    if waiting.unattached:
        return Problem(
            code=Code.CHARGES_UNATTACHED,
            message=f"“{waiting.unattached[0]}” waits for an invoice, but not for one of this subscription: "
            "nothing would bill it after the end.",
        )
    if wanted.unused_time == "credit" and any(line.kind != "renewal" for line in waiting.lines):
        return Problem(
            code=Code.PRORATIONS_WAIT,
            message="Prorations of an earlier change wait for the next invoice, and Stripe drops them when a "
            "plan ends now with a credit.",
        )
    return None
