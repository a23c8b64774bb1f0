"""Reconciliations with the differences that they found, cases, and checks for missed events."""

import sqlalchemy as sa
from alembic import op

from .columns import DOCUMENT, MINOR, TEXT, TIME


def create() -> None:
    op.create_table(
        "stripe_event_checks",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("complete_until", TIME, nullable=False),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("oldest_pending", TIME),
        sa.Column("moved_at", TIME),
        sa.CheckConstraint("id = 'account'", name="one_stripe_event_check"),
    )
    op.create_table(
        "mirror_windows",
        sa.Column("stage", TEXT, primary_key=True),
        sa.Column("newest", TIME),
        sa.Column("compared_at", TIME, nullable=False),
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id")),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("counts", DOCUMENT, nullable=False),
        sa.Column("counted", TEXT),
        sa.Column("events_missed", sa.Integer(), nullable=False),
        sa.Column("error", DOCUMENT),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("place", DOCUMENT),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.CheckConstraint("state IN ('running', 'completed', 'failed')", name="reconciliation_state"),
        sa.CheckConstraint("scope IN ('all', 'recent', 'rolling')", name="reconciliation_scope"),
        sa.UniqueConstraint("workflow_id"),
        sa.Index("ix_reconciliations_listing", "started_at", "id"),
    )
    op.create_table(
        "differences",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("reconciliation_id", TEXT, sa.ForeignKey("reconciliations.id"), nullable=False),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("object_kind", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("fields", DOCUMENT, nullable=False),
        sa.Column("since", TIME),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("correction", TEXT, nullable=False),
        sa.UniqueConstraint("reconciliation_id", "object_kind", "object_id"),
        sa.CheckConstraint("correction IN ('added', 'overwritten', 'removed')", name="difference_correction"),
        sa.Index("ix_differences_listing", "organization_id", "found_at", "id"),
    )
    op.create_table(
        "cases",
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("object_kind", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("amount_minor", MINOR),
        sa.Column("currency", TEXT),
        sa.Column("owner", TEXT, sa.ForeignKey("people.id")),
        sa.Column("done_by", TEXT, sa.ForeignKey("people.id")),
        sa.Column("noticed_at", TIME, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("escalated_at", TIME),
        sa.Column("closed_at", TIME),
        sa.UniqueConstraint("organization_id", "object_kind", "object_id"),
        sa.Index("ix_cases_listing", "organization_id", "noticed_at", "operation_id"),
    )
