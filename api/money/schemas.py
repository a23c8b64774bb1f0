"""The shapes of requests for money back, of its notes, and of payments."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from billing.core.money import MAX_MINOR, Money
from billing.money.credit import CreditReason, CreditWanted, Instrument
from billing.money.credit_lines import MOST_LINES, CreditedLine
from billing.money.dispute import DisputeStatus
from billing.money.refund import Reason, RefundWanted
from billing.money.waiver import Status, WaiverWanted
from billing.policy.reasons import VoidReason, WriteOffReason
from billing.stripe.invoice_amounts import InvoiceTax
from db.mirror.disputes import DisputeSort
from db.mirror.lists import AmountSort

from ..http.models import (
    BY_CURRENCY,
    Answer,
    Body,
    Comment,
    CustomerId,
    InvoiceId,
    Moment,
    OtherId,
    PaymentId,
    Query,
    SearchQuery,
    SearchText,
)
from ..notes.schemas import NoteText
from ..quotes.schemas import MoneyQuoteAnswer, QuotingBody

Amount = Annotated[int, Field(ge=1, le=MAX_MINOR, description="In minor units of the currency")]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]

PaymentStatus = Literal[
    "canceled",
    "processing",
    "requires_action",
    "requires_capture",
    "requires_confirmation",
    "requires_payment_method",
    "succeeded",
]
"""Those of Stripe's PaymentIntents."""


class RefundBody(Body):
    """What to refund: a payment, or the payments of an invoice. Without an amount, all that remains."""

    payment_intent: PaymentId | None = Field(default=None, description="A payment from GET /v1/payments")
    invoice: InvoiceId | None = Field(default=None, description="Use instead of payment_intent")
    amount_minor: Amount | None = None
    currency: Currency | None = Field(default=None, description="If given, must match the payment's currency")
    reason: Reason
    note: NoteText = Field(description="The explanation; the Stripe payment's id is added automatically")
    confirm_fraudulent: bool = Field(
        default=False,
        description="Must be true with the reason fraudulent: Stripe then blocks the card and mail address",
    )

    def wanted(self) -> RefundWanted:
        return RefundWanted(**self.model_dump(exclude={"quote"}))


class RefundStartBody(RefundBody, QuotingBody):
    """What to refund: a payment, or the payments of an invoice. Without an amount, all that remains."""


class CreditLineBody(Body):
    """How much of an invoice's line to credit: an amount or a quantity."""

    line: OtherId = Field(description="A line from GET /v1/invoices/{id}")
    amount_minor: Amount | None = Field(
        default=None, description="In minor units, as the line has it: before discounts, without taxes on top"
    )
    quantity: Annotated[int, Field(ge=1)] | None = None


class CreditBody(Body):
    """What to credit: the customer's balance, for the next bills, or one invoice, with a credit note."""

    customer: CustomerId
    amount_minor: Amount | None = Field(
        default=None, description="In minor units of the currency, taxes included; not with lines"
    )
    lines: list[CreditLineBody] = Field(
        default=[],
        max_length=MOST_LINES,
        description="For a credit note instead of an amount. Stripe adds their discounts and taxes",
    )
    currency: Currency
    instrument: Instrument
    invoice: InvoiceId | None = Field(default=None, description="For a credit note only")
    tell_customer: bool = Field(
        default=False, description="For a credit note: whether Stripe mails it to the customer"
    )
    reason: CreditReason
    note: NoteText = Field(description="The explanation")

    def wanted(self) -> CreditWanted:
        return CreditWanted(**self.model_dump(exclude={"quote"}))


class CreditStartBody(CreditBody, QuotingBody):
    """What to credit: the customer's balance, for the next bills, or one invoice, with a credit note."""


class VoidBody(Body):
    """Which open invoice to void, because it should not have been sent."""

    invoice: InvoiceId
    reason: VoidReason
    note: NoteText = Field(description="The explanation; the Stripe invoice's id is added automatically")

    def wanted(self) -> WaiverWanted:
        return WaiverWanted(action="void", **self.model_dump(exclude={"quote"}))


class VoidStartBody(VoidBody, QuotingBody):
    """Which open invoice to void, because it should not have been sent."""


class WriteOffBody(Body):
    """Which open invoice to write off, because it will not be paid."""

    invoice: InvoiceId
    reason: WriteOffReason
    note: NoteText = Field(description="The explanation; the Stripe invoice's id is added automatically")

    def wanted(self) -> WaiverWanted:
        return WaiverWanted(action="write_off", **self.model_dump(exclude={"quote"}))


class WriteOffStartBody(WriteOffBody, QuotingBody):
    """Which open invoice to write off, because it will not be paid."""


class RefundResolutionBody(Body):
    """How to resolve a failed refund."""

    action: Literal["retry", "close"]
    comment: Comment


class CreditResolutionBody(Body):
    """Accepts a credit that differs in Stripe from what was agreed."""

    action: Literal["accept"]
    comment: Comment


class WaiverResolutionBody(Body):
    """Accepts a void or write-off that differs in Stripe from what was agreed."""

    action: Literal["accept"]
    comment: Comment


class PaymentsQuery(SearchQuery):
    q: SearchText | None = Field(
        default=None,
        description="A part of the customer's name or mail address, an amount such as `1,250.00` or "
        "`USD 13`, or the Stripe id of the payment, its charge, a refund, the invoice or the customer",
    )
    status: PaymentStatus | None = None
    customer: OtherId | None = None
    invoice: OtherId | None = None
    refundable: bool | None = Field(
        default=None, description="true: only payments that can still be refunded, at least in part"
    )
    created_after: Moment | None = Field(default=None, description="Created then or later")
    created_before: Moment | None = None
    sort: AmountSort = Field(default="-created_at", description=BY_CURRENCY)


class GivenQuery(Query):
    """Of what one customer was given."""

    sort: AmountSort = Field(default="-created_at", description=BY_CURRENCY)


class PaymentAnswer(Answer):
    """A mirror of the object in Stripe, read at `synced_at`. Of a disputed payment nothing is `refundable`
    unless the dispute was won; while a bank only asks about it, it can be refunded."""

    id: str
    customer: str
    invoice: str | None
    amount: Money
    amount_refunded: Money
    refundable: Money = Field(description="The amount that can still be refunded")
    disputed: bool
    status: str
    created_at: datetime
    synced_at: datetime


class DisputesQuery(Query):
    unanswered: bool | None = Field(
        default=None, description="true: only those that somebody has to answer in Stripe"
    )
    status: DisputeStatus | None = None
    customer: OtherId | None = None
    payment: OtherId | None = None
    sort: DisputeSort = Field(default="-created_at", description=BY_CURRENCY)


class DisputeAnswer(Answer):
    """A mirror of the object in Stripe, read at `synced_at`. A status that begins with `warning_` is that of
    a bank's inquiry, which has moved no money."""

    id: str
    payment: str
    customer: str | None
    amount: Money
    reason: str = Field(description="Stripe's, such as `product_not_received`")
    status: str
    refundable: bool = Field(description="Whether the payment can be refunded as the dispute stands")
    due_by: datetime | None = Field(description="Until when it can be answered in Stripe")
    answered: bool = Field(description="Whether evidence was submitted")
    created_at: datetime
    synced_at: datetime


class RefundAnswer(Answer):
    """A mirror of the object in Stripe, read at `synced_at`; without `operation`, made outside Plixo."""

    id: str
    payment_intent: str
    operation: str | None
    amount: Money
    status: str
    reason: str | None
    failure_reason: str | None
    created_at: datetime
    synced_at: datetime


class PaymentWithRefunds(PaymentAnswer):
    refunds: list[RefundAnswer]


class RefundPartAnswer(Answer):
    """What is returned of one payment."""

    payment_intent: str
    charge: str
    amount: Money


class RefundQuoteAnswer(MoneyQuoteAnswer):
    """What a refund would return, of which payments; null or empty where an obstacle leaves nothing."""

    customer: str | None = None
    invoice: str | None = None
    parts: list[RefundPartAnswer] = Field(default_factory=list)
    paid: Money | None = None
    refunded_before: Money | None = None
    refundable: Money | None = Field(
        default=None, description="What can be refunded now, without what other requests have set aside"
    )
    left_after: Money | None = Field(default=None, description="What could still be refunded afterwards")


class CreditQuoteAnswer(MoneyQuoteAnswer):
    """What a credit would give, and how; null where an obstacle leaves nothing."""

    customer: str | None = None
    instrument: Instrument | None = None
    invoice: str | None = None
    invoice_number: str | None = None
    reduces_due: Money | None = Field(default=None, description="Taken off the open invoice immediately")
    to_balance: Money | None = Field(default=None, description="Taken off the customer's next bills")
    lines: list[CreditedLine] = Field(default=[], description="Of a credit note by lines, as Stripe has them")
    taxes: list[InvoiceTax] = Field(default=[], description="What of it are taxes, by rate")
    tell_customer: bool = Field(default=False, description="Whether Stripe mails the credit note")


class WaiverQuoteAnswer(MoneyQuoteAnswer):
    """What a void or write-off would give up; null where an obstacle leaves nothing.

    `amount` is what counts toward authority: what is due, and what goes back to the customer's balance.
    """

    customer: str | None = None
    invoice: str | None = None
    invoice_number: str | None = None
    becomes: Status | None = Field(default=None, description="The invoice's status in Stripe afterwards")
    total: Money | None = None
    paid: Money | None = None
    remaining: Money | None = Field(default=None, description="What is still due on the invoice")
    to_balance: Money | None = Field(
        default=None, description="What the customer's balance paid of the invoice, and a void gives back"
    )
