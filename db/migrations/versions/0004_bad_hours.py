"""Incidents with their runbooks and what they hold, differences to Stripe, cases, and Stripe's budget."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
MINOR = sa.BigInteger()
TABLES = (
    "incident_steps",
    "holds",
    "health_counts",
    "stripe_budgets",
    "stripe_event_checks",
    "reconciliations",
    "differences",
    "cases",
)
PERIODS = (
    ("ix_operations_requested", "operations", ["organization_id", "kind", "created_at"]),
    ("ix_operations_closed", "operations", ["organization_id", "kind", "closed_at"]),
    ("ix_commitments_decided", "commitments", ["organization_id", "decided_at"]),
    ("ix_approvals_closed", "approvals", ["organization_id", "kind", "closed_at"]),
)
"""By which the success checks find what happened in a period."""
OF_INCIDENTS = (
    ("first_fault_at", TIME),
    ("alerted_at", TIME),
    ("recovered_at", TIME),
    ("last_check_at", TIME),
    ("cause", TEXT),
    ("note", TEXT),
    ("cleared_by", TEXT),
    ("cleared_in", TEXT),
)


def upgrade() -> None:
    for name, type_ in OF_INCIDENTS:
        op.add_column("incidents", sa.Column(name, type_))
    op.add_column(
        "stripe_events",
        sa.Column("missed", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_index(
        "ix_stripe_events_pending",
        "stripe_events",
        ["received_at"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_stripe_events_object_id", "stripe_events", ["object_id"])
    op.create_index("ix_intents_pace", "intents", ["organization_id", "effect", "created_at"])
    _create_incidents()
    _create_budget()
    _create_truth()
    _create_cases()
    with op.batch_alter_table("commitments") as commitments:
        # Nobody asked for what was made in Stripe itself.
        commitments.alter_column("person_id", existing_type=TEXT, nullable=True)
    for name, table, columns in PERIODS:
        op.create_index(name, table, columns)


def _create_incidents() -> None:
    op.create_table(
        "incident_steps",
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("done_by", TEXT, nullable=False),
        sa.Column("done_at", TIME, nullable=False),
        sa.Column("comment", TEXT),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("incident_id", "number"),
    )
    op.create_table(
        "holds",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("component", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("held_at", TIME, nullable=False),
        sa.Column("released_at", TIME),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_holds_waiting",
        "holds",
        ["component", "held_at", "id"],
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index("ix_holds_operation", "holds", ["operation_id"])
    op.create_table(
        "health_counts",
        sa.Column("component", TEXT, nullable=False),
        sa.Column("bucket", TIME, nullable=False),
        sa.Column("ok", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("first_fault_at", TIME),
        sa.Column("codes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("component", "bucket"),
    )


def _create_budget() -> None:
    op.create_table(
        "stripe_budgets",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("requests_per_second", sa.Float()),
        sa.Column("set_by", TEXT),
        sa.Column("set_at", TIME),
        sa.Column("slowed_to", sa.Float()),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("paused_until", sa.Float(), nullable=False),
        sa.Column("pause_reason", TEXT),
        sa.Column("held_since", TIME),
        sa.Column("trial", TEXT),
        sa.CheckConstraint("id = 'account'", name="one_stripe_budget"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "stripe_event_checks",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("complete_until", TIME, nullable=False),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 'account'", name="one_stripe_event_check"),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_truth() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("organization_id", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("counted", TEXT),
        sa.Column("events_missed", sa.Integer(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.CheckConstraint("state IN ('running', 'completed', 'failed')", name="reconciliation_state"),
        sa.UniqueConstraint("workflow_id"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_reconciliations_listing", "reconciliations", ["started_at", "id"])
    op.create_index("ix_balance_transactions_customer", "balance_transactions", ["customer_id", "created_at"])
    op.create_table(
        "differences",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("reconciliation_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("object_kind", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("since", TIME),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("mend", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["reconciliation_id"], ["reconciliations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.CheckConstraint("mend IN ('added', 'overwritten', 'removed')", name="difference_mend"),
        sa.UniqueConstraint("reconciliation_id", "object_kind", "object_id"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_differences_listing", "differences", ["organization_id", "found_at", "id"])


def _create_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("object_kind", TEXT, nullable=False),
        sa.Column("object_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("amount_minor", MINOR),
        sa.Column("currency", TEXT),
        sa.Column("owner", TEXT),
        sa.Column("done_by", TEXT),
        sa.Column("noticed_at", TIME, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("escalated_at", TIME),
        sa.Column("closed_at", TIME),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["owner"], ["people.id"]),
        sa.ForeignKeyConstraint(["done_by"], ["people.id"]),
        sa.UniqueConstraint("organization_id", "object_kind", "object_id"),
        sa.PrimaryKeyConstraint("operation_id"),
    )
    op.create_index("ix_cases_listing", "cases", ["organization_id", "noticed_at", "operation_id"])


def downgrade() -> None:
    op.execute("DELETE FROM commitments WHERE person_id IS NULL")
    with op.batch_alter_table("commitments") as commitments:
        commitments.alter_column("person_id", existing_type=TEXT, nullable=False)
    op.drop_index("ix_balance_transactions_customer", "balance_transactions")
    for name, table, _ in reversed(PERIODS):
        op.drop_index(name, table_name=table)
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_index("ix_stripe_events_object_id", "stripe_events")
    op.drop_index("ix_stripe_events_pending", "stripe_events")
    op.drop_index("ix_intents_pace", "intents")
    op.drop_column("stripe_events", "missed")
    for name, _ in reversed(OF_INCIDENTS):
        op.drop_column("incidents", name)
