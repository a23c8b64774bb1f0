"""The shapes of what the organization itself is billed."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.core.money import Money
from db.core.pages import ByCreation
from db.mirror.bills import BillSort

from ..customers.schemas import LineAnswer
from ..http.models import DOWNWARDS, Answer, Moment, Query, SearchQuery, SearchText


class OrganizationInvoicesQuery(SearchQuery):
    q: SearchText | None = Field(
        default=None,
        description="A part of the number, a total or remaining amount such as `1,250.00` or `USD 13`, or "
        "the Stripe id",
    )
    status: Literal["draft", "open", "paid", "uncollectible", "void"] | None = None
    created_after: Moment | None = Field(default=None, description="Created then or later")
    created_before: Moment | None = None
    sort: BillSort = Field(
        default="-created_at", description="`-` sorts downwards. Amounts are sorted by currency first."
    )


class PendingItemsQuery(Query):
    sort: ByCreation = Field(default="created_at", description=DOWNWARDS)


class OrganizationInvoiceAnswer(Answer):
    """An invoice from Plixo to your organization: a mirror of the object in Stripe, read at `synced_at`."""

    id: str
    number: str | None
    status: str
    reason: str | None = Field(description="Why Stripe made it, such as `subscription_cycle` for a renewal")
    total: Money
    amount_due: Money
    amount_paid: Money
    amount_remaining: Money
    needs_payment: bool = Field(
        description="Whether somebody has to pay it: the charge failed or waits to be confirmed to the bank, "
        "it is overdue, or was given up. A bank debit that is under way needs nobody"
    )
    payment_status: str | None = Field(
        description="How Stripe's charge of an open invoice stands, such as `processing` while a bank debit "
        "is under way; null where that is not known"
    )
    next_attempt_at: datetime | None = Field(description="When Stripe charges the card again by itself")
    due_date: datetime | None
    created_at: datetime
    synced_at: datetime


class OrganizationInvoiceDetail(OrganizationInvoiceAnswer):
    lines: list[LineAnswer]
    lines_complete: bool = Field(description="Whether these are all its lines; Stripe lists the first ones")


class PendingItemAnswer(Answer):
    """What waits for the next invoice; a negative amount is a credit."""

    id: str
    description: str | None
    quantity: int | None
    amount: Money
    proration: bool = Field(description="Whether it comes of a change within a period")
    period_start: datetime
    period_end: datetime
    created_at: datetime


class NextLineAnswer(LineAnswer):
    pending_item: str | None = Field(description="The pending item that it is, which waits already")


class NextBillAnswer(Answer):
    """What Stripe will bill, the pending items included. A negative `starting_balance` is a credit."""

    date: datetime = Field(description="When the card is charged, or the invoice is sent")
    lines: list[NextLineAnswer]
    lines_complete: bool
    subtotal: Money
    tax: Money
    total: Money
    starting_balance: Money
    amount_due: Money


class RenewalAnswer(Answer):
    """The next invoice, as Stripe computed it at `synced_at`, if nothing else changes."""

    invoice: NextBillAnswer | None
    why_none: str | None = Field(description="In Stripe's words, where there is no next invoice")
    pending_items: list[PendingItemAnswer] = Field(description="What waits for it, oldest first")
    synced_at: datetime
