"""The tables that mirror what Stripe holds, each row with the time at which it was read: `synced_at`.

Amounts are integer minor units beside their currency; times are UTC.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from billing.core.text import folded

from .columns import document, minor, utc


class PlanRow(SQLModel, table=True):
    """Mirror of one plan: a Stripe product with its prices (`billing.plan_changes.plans.Plan` as JSON)."""

    __tablename__ = "plans"
    plan: str = Field(primary_key=True)
    product: str
    document: dict[str, Any] = document()
    synced_at: datetime = utc()


class AddOnRow(SQLModel, table=True):
    """Mirror of one add-on: a Stripe product with its prices (`billing.plan_changes.items.add_ons.AddOn` as
    JSON)."""

    __tablename__ = "add_ons"
    add_on: str = Field(primary_key=True)
    product: str
    document: dict[str, Any] = document()
    synced_at: datetime = utc()


class Customer(SQLModel, table=True):
    """Mirror of a Stripe customer of an organization."""

    __tablename__ = "customers"
    __table_args__ = (
        Index("ix_customers_listing", "organization_id", "created_at", "id"),
        Index("ix_customers_folded", "organization_id", "folded", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    name: str | None = None
    email: str | None = None
    currency: str | None = None
    balance: int = minor(default=0)
    deleted: bool = False
    created_at: datetime = utc()
    synced_at: datetime = utc()
    language: str | None = None
    """Of Stripe's `preferred_locales` the first that we write in, else the first."""
    country: str | None = None
    """Of the address."""
    folded: str = ""
    """Name, mail address and id as people search for them; made of those."""
    erased_at: datetime | None = utc(default=None)
    """When the personal data was erased: no later reading brings it back."""

    PERSONAL: ClassVar[frozenset[str]] = frozenset({"name", "email", "language", "country", "folded"})
    """What of a reading is kept out of a row that was erased."""

    def __init__(self, **columns: Any) -> None:
        named = [columns.get(one) or "" for one in ("name", "email", "id")]
        super().__init__(**columns | {"folded": folded(" ".join(named))})


class Invoice(SQLModel, table=True):
    """Mirror of a Stripe invoice of one of the organization's customers."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index("ix_invoices_open", "organization_id", "status", "id"),
        Index("ix_invoices_listing", "organization_id", "created_at", "id"),
        Index("ix_invoices_due", "organization_id", text("coalesce(due_date, created_at)"), "id"),
        Index("ix_invoices_total", "organization_id", "currency", "total", "id"),
        Index("ix_invoices_remaining", "organization_id", "currency", "amount_remaining", "id"),
        Index("ix_invoices_customer", "customer_id", "created_at", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    customer_id: str
    number: str | None = None
    status: str
    currency: str
    total: int = minor()
    amount_due: int = minor()
    amount_paid: int = minor()
    amount_remaining: int = minor()
    due_date: datetime | None = utc(default=None)
    created_at: datetime = utc()
    synced_at: datetime = utc()
    finalized_at: datetime | None = utc(default=None)
    collection_method: str | None = None
    from_balance: int = minor(default=0)
    """What the customer's balance paid of it as it was finalized; negative for a debt that was added."""
    given: list[dict[str, Any]] | None = document(default=None)
    """What of it was given away in Stripe (`billing.cases.given.GivenOnInvoice` as JSON); None where not all
    of its lines were read."""
    given_in: str | None = None
    """The status in which they were: `status` is also written by readings without all lines."""


class InvoiceLines(SQLModel, table=True):
    """Mirror of an invoice's lines, the first ones where there are many: apart, for few readers need them."""

    __tablename__ = "invoice_lines"
    invoice_id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    lines: list[dict[str, Any]] = document()
    """Each with description, quantity, amount, period_start and period_end (seconds)."""
    complete: bool
    """Whether these are all."""
    synced_at: datetime = utc()


class PaymentRow(SQLModel, table=True):
    """Mirror of a payment by one of the organization's customers: a PaymentIntent with its charge."""

    __tablename__ = "payments"
    __table_args__ = (
        Index("ix_payments_listing", "organization_id", "created_at", "id"),
        Index("ix_payments_customer", "customer_id", "created_at", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str
    invoice_id: str | None = Field(default=None, index=True)
    charge: str | None = None
    currency: str
    amount: int = minor()
    amount_refunded: int = minor(default=0)
    disputed: bool = False
    """Whether it ever was: Stripe leaves it so after the dispute was won."""
    held_by_dispute: bool | None = None
    """Whether a dispute keeps it from being refunded, where one was read; None: not known, so it does if it
    is disputed."""
    status: str
    created_at: datetime = utc()
    synced_at: datetime = utc()

    @property
    def refundable(self) -> int:
        """What of it can still be refunded, in minor units."""
        held = self.disputed and self.held_by_dispute is not False
        return 0 if held or self.status != "succeeded" else self.amount - self.amount_refunded


class DisputeRow(SQLModel, table=True):
    """Mirror of a dispute of a customer's payment, or of a bank's inquiry about one."""

    __tablename__ = "disputes"
    __table_args__ = (
        Index("ix_disputes_listing", "organization_id", "created_at", "id"),
        Index("ix_disputes_due", "organization_id", "due_by", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str | None = None
    payment_intent: str = Field(index=True)
    charge: str | None = None
    amount: int = minor()
    currency: str
    reason: str
    """Stripe's, such as `product_not_received`."""
    status: str
    refundable: bool
    """Whether the payment can be refunded as the dispute stands."""
    due_by: datetime | None = utc(default=None)
    """Until when it can be answered, where Stripe says so."""
    answered: bool
    """Whether evidence was submitted."""
    created_at: datetime = utc()
    synced_at: datetime = utc()


class DiscountRow(SQLModel, table=True):
    """Mirror of a discount that a customer, or a subscription or item of theirs, has had: what it was worth
    when it was first seen. Those of the organization's own subscription are here too."""

    __tablename__ = "discounts"
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str | None = Field(default=None, index=True)
    """None for the organization's own."""
    given_on: str
    """customer, subscription or item."""
    bearer: str
    """Stripe's id of the customer or subscription."""
    coupon: str
    """Stripe's id of the coupon."""
    name: str
    """What the coupon takes off, in words."""
    value: int = minor()
    """Over its duration, at most a year (`billing.cases.discounts`)."""
    currency: str
    created_at: datetime = utc()
    synced_at: datetime = utc()


class DiscountUse(SQLModel, table=True):
    """What a discount has taken off a final invoice of a customer."""

    __tablename__ = "discount_uses"
    discount_id: str = Field(primary_key=True)
    invoice_id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    amount: int = minor()


class RefundRow(SQLModel, table=True):
    """Mirror of a refund; `operation_id` is of the intent that made it, None for one made elsewhere."""

    __tablename__ = "refunds"
    __table_args__ = (Index("ix_refunds_customer", "customer_id", "created_at", "id"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str | None = None
    payment_intent: str = Field(index=True)
    operation_id: str | None = Field(default=None, index=True)
    amount: int = minor()
    currency: str
    status: str
    reason: str | None = None
    failure_reason: str | None = None
    created_at: datetime = utc()
    synced_at: datetime = utc()
    claims: str | None = Field(default=None, index=True)
    """The effect of ours that its metadata names: no proof."""


class CreditNoteRow(SQLModel, table=True):
    """Mirror of a credit note; `operation_id` is of the intent that made it, None for one made elsewhere."""

    __tablename__ = "credit_notes"
    __table_args__ = (Index("ix_credit_notes_customer", "customer_id", "created_at", "id"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str
    invoice_id: str = Field(index=True)
    operation_id: str | None = Field(default=None, index=True)
    number: str
    amount: int = minor()
    currency: str
    status: str
    created_at: datetime = utc()
    synced_at: datetime = utc()
    claims: str | None = Field(default=None, index=True)
    """The effect of ours that its metadata names: no proof."""
    refunded: int = minor(default=0)
    """What of it was given by the refunds that it names."""
    reason: str | None = None
    lines: list[dict[str, Any]] | None = document(default=None)
    """What it takes of which of the invoice's lines, each with `line` and `amount`; None where it has more of
    them than Stripe lists within it."""


class BalanceTransactionRow(SQLModel, table=True):
    """Mirror of a change of a customer's balance that we saw; a negative amount is a credit."""

    __tablename__ = "balance_transactions"
    __table_args__ = (Index("ix_balance_transactions_customer", "customer_id", "created_at", "id"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str
    operation_id: str | None = Field(default=None, index=True)
    amount: int = minor()
    currency: str
    type: str
    ending_balance: int = minor()
    """The customer's balance after it, in its currency; negative is credit."""
    invoice_id: str | None = Field(default=None, index=True)
    """The invoice that it was used for, or came back from."""
    created_at: datetime = utc()
    synced_at: datetime = utc()
    claims: str | None = Field(default=None, index=True)
    """The effect of ours that its metadata names: no proof."""


MoneyRow = RefundRow | CreditNoteRow | BalanceTransactionRow
"""What gave money: the only objects of the mirror that an operation makes."""
