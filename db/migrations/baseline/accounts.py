"""Organizations, their people and their keys."""

import sqlalchemy as sa
from alembic import op

from .columns import DOCUMENT, TEXT, TIME, where


def create() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("zone", TEXT, nullable=False),
        sa.Column("country", TEXT, nullable=False),
        sa.Column("subdivision", TEXT),
        sa.Column("stripe_customer", TEXT, nullable=False),
        sa.Column("stripe_subscription", TEXT, nullable=False),
        sa.Column("subscription", DOCUMENT),
        sa.Column("limits_told", DOCUMENT),
        sa.Column("synced_at", TIME),
        sa.Column("renewal_due_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.UniqueConstraint("stripe_customer"),
        sa.UniqueConstraint("stripe_subscription"),
        sa.Index("ix_organizations_renewal_due", "renewal_due_at", **where("renewal_due_at IS NOT NULL")),
    )
    op.create_table(
        "chat_webhooks",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("disabled_at", TIME),
        sa.Column("refused_with", sa.Integer()),
        sa.UniqueConstraint("organization_id", "url"),
        sa.CheckConstraint("kind IN ('slack', 'teams')", name="chat_webhook_kind"),
    )
    op.create_table(
        "people",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False, index=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("roles", DOCUMENT, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("subject", TEXT),
        sa.Column("zone", TEXT),
        sa.UniqueConstraint("organization_id", "email"),
        sa.UniqueConstraint("organization_id", "subject"),
        sa.Index("ix_people_subject", "subject"),
        sa.UniqueConstraint("id", "organization_id"),
    )
    op.create_table(
        "api_keys",
        sa.Column("prefix", TEXT, primary_key=True),
        sa.Column("secret_hash", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False, index=True),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("name", TEXT),
        sa.Column("created_by", TEXT),
        sa.Column("made_with", TEXT),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("replaced_by", TEXT),
        sa.Column("revoked_by", TEXT),
        sa.ForeignKeyConstraint(["person_id", "organization_id"], ["people.id", "people.organization_id"]),
        sa.CheckConstraint("origin IN ('issued', 'file')", name="api_key_origin"),
    )
    op.create_table(
        "key_uses",
        sa.Column("prefix", TEXT, primary_key=True),
        sa.Column("window_start", TIME, primary_key=True),
        sa.Column("address", TEXT, primary_key=True),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Index("ix_key_uses_address", "address", "window_start"),
    )
    op.create_table(
        "record_reads",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("what", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("query", TEXT, nullable=False),
        sa.Column("key", TEXT),
        sa.Column("session_id", TEXT),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.CheckConstraint("what IN ('evidence', 'file')", name="record_read_what"),
        sa.Index("ix_record_reads_listing", "organization_id", "person_id", "id"),
        sa.Index("ix_record_reads_at", "at"),
    )
    op.create_table(
        "paces",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("spread_until", sa.Float(53), nullable=False),
    )
