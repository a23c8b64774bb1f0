"""The shapes of customers and invoices, and what their lists are asked for by."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from billing.core.money import Money
from db.mirror.lists import CustomerSort, InvoiceSort

from ..http.models import Answer, ListOf, Moment, OtherId, SearchQuery, SearchText


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
