"""The shapes of a request for a cancellation, and of its quote."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.cancellations.cancellation import Action, CancellationWanted, UnusedTime
from billing.core.money import Money
from billing.plan_changes.obstacles import OpenInvoice
from billing.plan_changes.proration import Line
from billing.plan_changes.subject import Terms
from billing.policy.reasons import CancellationReason
from billing.stripe.invoice_amounts import InvoiceAmounts

from ..http.models import Body, Comment
from ..notes.schemas import NoteText
from ..quotes.schemas import QuoteAnswer, QuotingBody


class CancellationBody(Body):
    """When your plan is to end, or that it is not to end after all."""

    action: Action = Field(
        description="`at_period_end`: when what is paid for is used up; `now`: at once, with a last invoice; "
        "`take_back`: a plan that is set to end goes on"
    )
    unused_time: UnusedTime | None = Field(
        default=None,
        description="With `now`, and only then: whether the time that is paid for and not used is credited "
        "to the balance, or given up",
    )
    reason: CancellationReason = "other"
    note: NoteText = Field(description="The explanation; it is kept here and in Stripe")

    def wanted(self) -> CancellationWanted:
        return CancellationWanted(**self.model_dump(exclude={"quote"}))


class CancellationStartBody(CancellationBody, QuotingBody):
    """When your plan is to end, or that it is not to end after all."""


class CancellationResolutionBody(Body):
    """Accepts an end of the plan that differs in Stripe from what was approved."""

    action: Literal["accept"]
    comment: Comment


class CancellationQuoteAnswer(QuoteAnswer):
    """What a cancellation would do; null or empty where an obstacle leaves nothing."""

    action: Action | None = None
    unused_time: UnusedTime | None = None
    terms: Terms | None = Field(default=None, description="What you have until then")
    ends_at: datetime | None = Field(default=None, description="null for a plan that ends now, or goes on")
    amount: Money | None = Field(
        default=None,
        description="The value of the unused time, credited or given up: what an authority covers",
    )
    lines: list[Line] = Field(
        default_factory=list,
        description="Of the last invoice; of the next one where the end is taken back. A credit is that of "
        "the second of the quote, and falls with each second",
    )
    amounts: InvoiceAmounts | None = Field(default=None, description="Of the same invoice; null for none")
    due: Money | None = Field(default=None, description="What that invoice asks for")
    left_over: Money | None = Field(
        default=None, description="Credit that stays on the balance; it is not paid out by itself"
    )
    open_invoices: list[OpenInvoice] = Field(
        default_factory=list,
        description="What is unpaid. It stays owed after the end, but Stripe stops charging it by itself",
    )
