"""What Plixo bills the organization itself."""

import sqlalchemy as sa
from alembic import op

from .columns import DOCUMENT, MINOR, TEXT, TIME


def create() -> None:
    op.create_table(
        "organization_invoices",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("number", TEXT),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("total", MINOR, nullable=False),
        sa.Column("amount_due", MINOR, nullable=False),
        sa.Column("amount_paid", MINOR, nullable=False),
        sa.Column("amount_remaining", MINOR, nullable=False),
        sa.Column("collection_method", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("payment_status", TEXT),
        sa.Column("next_attempt_at", TIME),
        sa.Column("due_date", TIME),
        sa.Column("finalized_at", TIME),
        sa.Column("lines", DOCUMENT, nullable=False),
        sa.Column("lines_complete", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.Index("ix_organization_invoices_listing", "organization_id", "created_at", "id"),
        sa.Index("ix_organization_invoices_open", "organization_id", "status", "id"),
        sa.Index("ix_organization_invoices_total", "organization_id", "currency", "total", "id"),
    )
    op.create_table(
        "renewals",
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), primary_key=True),
        sa.Column("invoice", DOCUMENT),
        sa.Column("why_none", TEXT),
        sa.Column("items", DOCUMENT, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
    )
