"""Daily roots of evidence, the heads that they stand for, and the public keys that they were signed with."""

import sqlalchemy as sa
from alembic import op

from .append_only import make_append_only
from .columns import DOCUMENT, TEXT, TIME


def create() -> None:
    op.create_table(
        "evidence_roots",
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sealed_at", TIME, nullable=False),
        sa.Column("root", DOCUMENT, nullable=False),
        sa.UniqueConstraint("organization_id", "day"),
    )
    op.create_table(
        "sealed_heads",
        sa.Column("operation_id", TEXT, primary_key=True),
        sa.Column("events", sa.Integer(), primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("head", TEXT, nullable=False),
        sa.Column("approvals", sa.Integer(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("intents", sa.Integer(), nullable=False),
        sa.Index("ix_sealed_heads_root", "organization_id", "number", "operation_id"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("x", TEXT, nullable=False),
        sa.Column("first_used_at", TIME, nullable=False),
    )
    make_append_only("evidence_roots", "refuse_root_change", "roots are append-only")
    make_append_only("sealed_heads", "refuse_head_change", "sealed heads are append-only")
    make_append_only("signing_keys", "refuse_signing_key_change", "public keys are kept")
