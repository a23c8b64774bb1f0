"""The shapes of customers and invoices, and what their lists are asked for by."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from billing.core.money import Money
from db.mirror.lists import CustomerSort, InvoiceSort

from ..http.models import (
    Answer,
    GivenAnswer,
    ListOf,
    Moment,
    OperationAnswer,
    OtherId,
    SearchQuery,
    SearchText,
)
from ..money.schemas import PaymentWithRefunds
from ..portal_admin.schemas import PortalLinkAnswer, SettingsAnswer
from ..reminders.schemas import DecisionAnswer, NextAnswer, PauseAnswer, WhyAnswer


class CustomersQuery(SearchQuery):
    q: SearchText | None = Field(default=None, description="A part of the name, mail address or id")
    sort: CustomerSort = Field(default="-created_at", description="`-` sorts downwards")


class InvoicesQuery(SearchQuery):
    q: SearchText | None = Field(
        default=None,
        description="A part of the number or of the customer's name or mail address; a total or remaining "
        "amount such as `1,250.00` or `USD 13`; or the Stripe id of the invoice, its customer, or a payment, "
        "charge, refund or credit note of it",
    )
    status: Literal["draft", "open", "paid", "uncollectible", "void", "overdue"] | None = Field(
        default=None, description="`overdue`: open, and the due date has passed"
    )
    promised: bool | None = Field(
        default=None, description="true: only those that the customer promised to pay by a day yet to pass"
    )
    customer: OtherId | None = None
    due_after: Moment | None = Field(default=None, description="Due then or later")
    due_before: Moment | None = None
    created_after: Moment | None = Field(default=None, description="Created then or later")
    created_before: Moment | None = None
    sort: InvoiceSort = Field(
        default="-created_at",
        description="`-` sorts downwards. Amounts are sorted by currency first; an invoice without a due "
        "date counts as due when it was created.",
    )
    counts: bool = Field(default=False, description="true: also count by status")


class CustomerAnswer(Answer):
    """A mirror of the object in Stripe, read at `synced_at`. A negative balance is a credit."""

    id: str
    name: str | None
    email: str | None
    balance: Money | None
    created_at: datetime
    synced_at: datetime
    erased_at: datetime | None = Field(
        description="When the personal data was erased; Stripe's is not read again"
    )


class InvoiceAnswer(Answer):
    """A mirror of the object in Stripe, read at `synced_at`."""

    id: str
    customer: str
    customer_name: str | None = Field(description="The mail address where there is no name")
    number: str | None
    status: str
    total: Money
    amount_due: Money
    amount_paid: Money
    amount_remaining: Money
    due_date: datetime | None
    reminded_at: datetime | None = Field(description="When a reminder of it was last sent")
    created_at: datetime
    synced_at: datetime


class InvoiceCounts(Answer):
    """How many the other filters find; `overdue` are among `open`."""

    all: int
    draft: int = 0
    open: int = 0
    overdue: int
    paid: int = 0
    uncollectible: int = 0
    void: int = 0


class InvoiceList(ListOf[InvoiceAnswer]):
    counts: InvoiceCounts | None = Field(default=None, description="null unless asked for")


class ReceivableAnswer(Answer):
    """What one currency's open invoices leave unpaid, and what of that is overdue."""

    open: Money
    open_invoices: int
    overdue: Money
    overdue_invoices: int


class CustomerDetailAnswer(CustomerAnswer):
    """The customer with everything that a decision about them needs."""

    deleted: bool = Field(description="Whether the customer is deleted in Stripe")
    settings: SettingsAnswer
    receivables: list[ReceivableAnswer] = Field(description="One entry per currency with open invoices")
    granted: list[GivenAnswer] = Field(
        description="Refunds and credits of the last 90 days, newest first; at most 50"
    )


class LineAnswer(Answer):
    description: str | None
    quantity: int | None
    amount: Money
    period_start: datetime
    period_end: datetime


class InvoiceLineAnswer(LineAnswer):
    id: str | None = Field(description="Its id in Stripe, by which a credit note names it")
    creditable: Money | None = Field(
        description="What credit notes have left of it, before discounts and without taxes on top, as they "
        "were last read; null where not all of their lines are known"
    )


class CreditNoteAnswer(Answer):
    """A mirror of the object in Stripe, read at `synced_at`; without `operation`, made outside Plixo."""

    id: str
    number: str
    invoice: str
    operation: str | None
    amount: Money
    refunded: Money = Field(description="What of it was given by refunds")
    status: str
    reason: str | None
    created_at: datetime
    synced_at: datetime


class BalanceTransactionAnswer(Answer):
    """A mirror of a change of the customer's balance; negative is a credit. Without `operation`, made outside
    Plixo: by an invoice that used the balance, or in Stripe itself."""

    id: str
    operation: str | None
    type: str = Field(description="Stripe's word for what changed it, such as adjustment")
    amount: Money
    ending_balance: Money = Field(description="The balance after it")
    created_at: datetime
    synced_at: datetime


class CustomerMailAnswer(DecisionAnswer):
    """A mail about an invoice, sent or not."""

    template: str = Field(description="reminder or portal_link")
    asked_by: str | None = Field(description="The person who asked for it by hand")
    address: str | None = Field(description="Where it went")


class RemindersAnswer(Answer):
    """Either `next` or `why_none` is null."""

    next: NextAnswer | None = Field(description="The next reminder, if nothing changes")
    why_none: WhyAnswer | None = Field(description="Why there is no next one")
    pause: PauseAnswer


class PromiseAnswer(Answer):
    """A promise of the customer to pay by a day."""

    day: date = Field(description="In the customer's time zone")
    word: str | None = Field(description="What the customer said besides")
    amount: Money = Field(description="The unpaid amount when they promised")
    promised_at: datetime
    state: Literal["open", "kept", "broken", "over", "replaced"] = Field(
        description="`over`: the invoice was voided or written off before; `replaced`: they named another day"
    )
    settled_at: datetime | None = Field(description="When it was kept, broken or over")


class InvoiceDetailAnswer(InvoiceAnswer):
    """The invoice with all that is known of it."""

    lines: list[InvoiceLineAnswer]
    lines_complete: bool = Field(description="Whether these are all its lines; Stripe lists the first ones")
    tax_and_discounts: Money | None = Field(
        description="What the total has beside its lines; null where not all lines are known"
    )
    payments: list[PaymentWithRefunds] = Field(description="Oldest first, each with its refunds")
    credit_notes: list[CreditNoteAnswer] = Field(description="Oldest first")
    portal_links: list[PortalLinkAnswer] = Field(description="Newest first, including links that have ended")
    reminders: RemindersAnswer
    promises: list[PromiseAnswer] = Field(description="The customer's promises to pay, newest first")
    operations: list[OperationAnswer] = Field(
        description="The newest 20 that are about the invoice or a payment, refund or credit note of it"
    )
    diagnosis: str = Field(description="POST there to find out why the customer can't get at it")
