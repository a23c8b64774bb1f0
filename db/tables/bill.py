"""What Plixo bills the organization itself, as Stripe has it: apart from what it bills its customers.

Amounts are integer minor units beside their currency; times are UTC.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from .columns import document, minor, utc


class OrganizationInvoice(SQLModel, table=True):
    """Mirror of a Stripe invoice to the organization itself."""

    __tablename__ = "organization_invoices"
    __table_args__ = (
        Index("ix_organization_invoices_listing", "organization_id", "created_at", "id"),
        Index("ix_organization_invoices_open", "organization_id", "status", "id"),
        Index("ix_organization_invoices_total", "organization_id", "currency", "total", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    number: str | None = None
    status: str
    reason: str | None = None
    """Stripe's `billing_reason`, such as `subscription_cycle`."""
    currency: str
    total: int = minor()
    amount_due: int = minor()
    amount_paid: int = minor()
    amount_remaining: int = minor()
    collection_method: str
    attempts: int = 0
    """How often a charge was tried."""
    payment_status: str | None = None
    """Of the charge of an open one, such as `processing`; None where that was never read."""
    next_attempt_at: datetime | None = utc(default=None)
    due_date: datetime | None = utc(default=None)
    finalized_at: datetime | None = utc(default=None)
    lines: list[dict[str, Any]] = document()
    """The first ones; each with description, quantity, amount, period_start and period_end (seconds)."""
    lines_complete: bool
    """Whether these are all."""
    created_at: datetime = utc()
    synced_at: datetime = utc()


class Renewal(SQLModel, table=True):
    """The organization's next invoice and what waits for it, as Stripe computed it at `synced_at`.

    One reading, stored whole: an item that is billed or taken away is simply no longer in the next one.
    """

    __tablename__ = "renewals"
    organization_id: str = Field(primary_key=True, foreign_key="organizations.id")
    invoice: dict[str, Any] | None = document(default=None)
    """None where there won't be one: then `why_none`. See `activities.mirror.objects.bill`."""
    why_none: str | None = None
    """In Stripe's words."""
    items: list[dict[str, Any]] = document()
    """The pending invoice items, the oldest first."""
    synced_at: datetime = utc()
