"""The shapes of a plan change's quote, and of the request that may name it."""

from datetime import datetime

from pydantic import Field

from billing.core.money import Money
from billing.plan_changes.items.add_ons import MOST
from billing.plan_changes.limits import LimitCheck
from billing.plan_changes.plans import Interval
from billing.plan_changes.proration import Line
from billing.plan_changes.subject import Effective, Invoicing, PlanChangeRequest, Terms, WaitingChange
from billing.stripe.invoice_amounts import InvoiceAmounts

from ..http.models import Answer, Body, Name, Reason
from ..quotes.schemas import QuoteAnswer, QuotingBody


class AddOnBody(Body):
    """How many of an add-on there are to be."""

    add_on: Name = Field(description="An add-on from GET /v1/add-ons")
    quantity: int = Field(ge=0, le=MOST, description="0 takes it away")


class PlanChangeBody(Body):
    """What to change the plan to. Omitted seats, interval and add-ons stay as they are, and so does anything
    else that the subscription has."""

    plan: Name = Field(description="A plan from GET /v1/plans; the present one changes add-ons alone")
    seats: int | None = Field(default=None, ge=1, le=1_000_000)
    interval: Interval | None = None
    add_ons: list[AddOnBody] = Field(default_factory=list, max_length=20)
    effective: Effective = "now"
    invoicing: Invoicing = "immediately"
    take_back_end: bool = Field(
        default=False, description="Takes a planned end of the subscription back with the change"
    )
    reason: Reason = Field(description="Why, for the reviewers")


class PlanChangeStartBody(PlanChangeBody, QuotingBody):
    """What to change the plan to. Omitted seats, interval and add-ons stay as they are, and so does anything
    else that the subscription has."""

    def wanted(self) -> PlanChangeRequest:
        return PlanChangeRequest(**self.model_dump(exclude={"quote"}))


class NextInvoiceAnswer(Answer):
    amount: Money = Field(description="What is due then, with what already waits for it, after the balance")
    total: Money = Field(description="The same before the balance")
    date: datetime | None = Field(description="null where a new period begins with the change")


class MonthlyCostAnswer(Answer):
    """By the list prices of all seats and add-ons, before discounts, taxes and usage; of a yearly price a
    twelfth.

    `before` and `difference` are null where the present price is unknown.
    """

    before: Money | None
    after: Money
    difference: Money | None


class PlanChangeQuoteAnswer(QuoteAnswer):
    """What a plan change would do at the second `proration_date`; null or empty where an obstacle leaves
    nothing."""

    from_: Terms | None = Field(default=None, serialization_alias="from")
    to: Terms | None = None
    effective: Effective | None = None
    invoicing: Invoicing | None = None
    proration_date: datetime | None = None
    credits: list[Line] = Field(default_factory=list, description="The lines below zero: what is given back")
    debits: list[Line] = Field(default_factory=list, description="All others: what is charged")
    credit_total: Money | None = None
    debit_total: Money | None = None
    amounts: InvoiceAmounts | None = Field(
        default=None, description="All sums of the invoice that the lines are of, in minor units"
    )
    total: Money | None = Field(default=None, description="Of all lines, after discounts and taxes")
    due_now: Money | None = None
    credit: Money | None = Field(
        default=None, description="What is left over, which later invoices are less by; it is not refunded"
    )
    next_invoice: NextInvoiceAnswer | None = None
    per_month: MonthlyCostAnswer | None = None
    limits: list[LimitCheck] = Field(default_factory=list)
    replaces: WaitingChange | None = Field(
        default=None, description="The plan change that waits for the end of the period, and would not come"
    )
    takes_back: datetime | None = Field(
        default=None, description="When the subscription was set to end, which is taken back"
    )
