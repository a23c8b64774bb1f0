"""The mirror of what Stripe holds."""

import sqlalchemy as sa
from alembic import op

from .columns import DOCUMENT, MINOR, TEXT, TIME


def create() -> None:
    op.create_table(
        "plans",
        sa.Column("plan", TEXT, primary_key=True),
        sa.Column("product", TEXT, nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
    )
    op.create_table(
        "customers",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False, index=True),
        sa.Column("name", TEXT),
        sa.Column("email", TEXT),
        sa.Column("currency", TEXT),
        sa.Column("balance", MINOR, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.Column("language", TEXT),
        sa.Column("country", TEXT),
        sa.Column("folded", TEXT, nullable=False),
        sa.Index("ix_customers_folded", "organization_id", "folded", "id"),
        sa.Index("ix_customers_listing", "organization_id", "created_at", "id"),
    )
    op.create_table(
        "invoices",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False, index=True),
        sa.Column("customer_id", TEXT, nullable=False, index=True),
        sa.Column("number", TEXT),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("total", MINOR, nullable=False),
        sa.Column("amount_due", MINOR, nullable=False),
        sa.Column("amount_paid", MINOR, nullable=False),
        sa.Column("amount_remaining", MINOR, nullable=False),
        sa.Column("due_date", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.Column("finalized_at", TIME),
        sa.Column("collection_method", TEXT),
        sa.Index("ix_invoices_due", "organization_id", sa.text("coalesce(due_date, created_at)"), "id"),
        sa.Index("ix_invoices_listing", "organization_id", "created_at", "id"),
        sa.Index("ix_invoices_open", "organization_id", "status", "id"),
        sa.Index("ix_invoices_remaining", "organization_id", "currency", "amount_remaining", "id"),
        sa.Index("ix_invoices_total", "organization_id", "currency", "total", "id"),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("invoice_id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("lines", DOCUMENT, nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
    )
    op.create_table(
        "payments",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("customer_id", TEXT, nullable=False, index=True),
        sa.Column("invoice_id", TEXT, index=True),
        sa.Column("charge", TEXT),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("amount_refunded", MINOR, nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.Index("ix_payments_listing", "organization_id", "created_at", "id"),
    )
    op.create_table(
        "refunds",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("payment_intent", TEXT, nullable=False, index=True),
        sa.Column("operation_id", TEXT, index=True),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("failure_reason", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.Column("claims", TEXT, index=True),
    )
    op.create_table(
        "credit_notes",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, index=True),
        sa.Column("number", TEXT, nullable=False),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.Column("claims", TEXT, index=True),
        sa.Column("refunded", MINOR, nullable=False),
        sa.Column("reason", TEXT),
    )
    op.create_table(
        "balance_transactions",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, index=True),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("ending_balance", MINOR, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.Column("claims", TEXT, index=True),
        sa.Index("ix_balance_transactions_customer", "customer_id", "created_at"),
    )
