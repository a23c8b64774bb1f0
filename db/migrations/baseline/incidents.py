"""Incidents with what they hold, health counts, Stripe's budget, and what fails of a sweep."""

import sqlalchemy as sa
from alembic import op

from .columns import DOCUMENT, TEXT, TIME, where


def create() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("component", TEXT, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("cleared_at", TIME),
        sa.Column("first_fault_at", TIME),
        sa.Column("alerted_at", TIME),
        sa.Column("recovered_at", TIME),
        sa.Column("last_check_at", TIME),
        sa.Column("cause", TEXT),
        sa.Column("note", TEXT),
        sa.Column("cleared_by", TEXT),
        sa.Column("cleared_in", TEXT),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("recoveries", sa.Integer(), nullable=False),
        sa.Index("one_open_incident", "component", unique=True, **where("cleared_at IS NULL")),
    )
    op.create_table(
        "incident_steps",
        sa.Column("incident_id", TEXT, sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("done_by", TEXT, nullable=False),
        sa.Column("done_at", TIME, nullable=False),
        sa.Column("comment", TEXT),
    )
    op.create_table(
        "holds",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), nullable=False),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("component", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("held_at", TIME, nullable=False),
        sa.Column("released_at", TIME),
        sa.Column("resumed_at", TIME),
        sa.Column("told_at", TIME),
        sa.Index("ix_holds_operation", "operation_id"),
        sa.Index("ix_holds_waiting", "component", "held_at", "id", **where("resumed_at IS NULL")),
    )
    op.create_table(
        "health_counts",
        sa.Column("component", TEXT, primary_key=True),
        sa.Column("bucket", TIME, primary_key=True),
        sa.Column("ok", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("first_fault_at", TIME),
        sa.Column("codes", DOCUMENT, nullable=False),
    )
    op.create_table(
        "worker_turns",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("taken_at", TIME, nullable=False),
    )
    op.create_table(
        "setbacks",
        sa.Column("sweep", TEXT, primary_key=True),
        sa.Column("unit", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
    )
    op.create_table(
        "stripe_endpoints",
        sa.Column("endpoint", TEXT, primary_key=True),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("paused_until", sa.Float(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
    )
    op.create_table(
        "stripe_budgets",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("requests_per_second", sa.Float()),
        sa.Column("set_by", TEXT),
        sa.Column("set_at", TIME),
        sa.Column("slowed_to", sa.Float()),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("paused_until", sa.Float(), nullable=False),
        sa.Column("pause_reason", TEXT),
        sa.Column("held_since", TIME),
        sa.Column("trial", TEXT),
        sa.Column("opened_by", TEXT),
        sa.Column("opened_because", TEXT),
        sa.Column("opened_at", TIME),
        sa.CheckConstraint("id = 'account'", name="one_stripe_budget"),
    )
