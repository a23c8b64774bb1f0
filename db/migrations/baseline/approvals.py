"""Approvals, decisions, delegations and notices."""

import sqlalchemy as sa
from alembic import op

from .columns import DOCUMENT, MINOR, TEXT, TIME, where


def create() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), nullable=False, index=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("subject", DOCUMENT, nullable=False),
        sa.Column("subject_hash", TEXT, nullable=False),
        sa.Column("amount_minor", MINOR),
        sa.Column("currency", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("ladder", DOCUMENT, nullable=False),
        sa.Column("deadline", TIME),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.Column("decided_by", TEXT),
        sa.Column("authority", DOCUMENT),
        sa.Column("counted", DOCUMENT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("signatures", DOCUMENT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("rule", TEXT),
        sa.Column("authors", DOCUMENT, nullable=False),
        sa.Column("revised", DOCUMENT),
        sa.Column("since", DOCUMENT),
        sa.Index("ix_approvals_closed", "organization_id", "kind", "closed_at"),
        sa.Index("ix_approvals_deadline", "organization_id", "deadline", "id"),
        sa.Index("ix_approvals_listing", "organization_id", "state"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("approval_id", TEXT, sa.ForeignKey("approvals.id"), nullable=False, index=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("person_id", TEXT, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("decision", TEXT, nullable=False),
        sa.Column("comment", TEXT),
        sa.Column("subject_hash", TEXT, nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("for_person", TEXT),
    )
    op.create_table(
        "delegations",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("from_person", TEXT, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("to_person", TEXT, sa.ForeignKey("people.id"), nullable=False),
        sa.Column("role", TEXT),
        sa.Column("approval_id", TEXT),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("revoked_by", TEXT),
        sa.Column("accepted_at", TIME),
        sa.Column("declined_at", TIME),
        sa.Index("ix_delegations_active", "organization_id", "ends_at"),
        sa.Index("ix_delegations_listing", "organization_id", "id"),
    )
    op.create_table(
        "notices",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False, index=True),
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), nullable=False, index=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject", DOCUMENT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("acknowledged_at", TIME),
        sa.Column("acknowledged_by", TEXT),
        sa.Column("superseded_at", TIME),
        sa.Column("superseded_because", TEXT),
        sa.Column("superseded_by", TEXT),
        sa.Index("ix_notices_late", "deadline", **where("state = 'open'")),
    )
    op.create_table(
        "told_people",
        sa.Column("about", TEXT, primary_key=True),
        sa.Column("person_id", TEXT, sa.ForeignKey("people.id"), primary_key=True),
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), nullable=False, index=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("told_at", TIME, nullable=False),
    )
