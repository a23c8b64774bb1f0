"""Sign-in to the console: links, sessions, and what is on its way to a provider."""

import sqlalchemy as sa
from alembic import op

from .columns import DOCUMENT, TEXT, TIME


def create() -> None:
    op.create_table(
        "person_links",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("how", TEXT, nullable=False),
        sa.Column("issued_by", TEXT, nullable=False),
        sa.Column("because", TEXT),
        sa.Column("address", TEXT),
        sa.Column("next", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        sa.Column("approval_id", TEXT, sa.ForeignKey("approvals.id")),
        sa.Column("subject_hash", TEXT),
        sa.ForeignKeyConstraint(["person_id", "organization_id"], ["people.id", "people.organization_id"]),
        sa.CheckConstraint("how IN ('mail', 'operator', 'decision')", name="person_link_how"),
        sa.CheckConstraint("(how = 'decision') = (approval_id IS NOT NULL)", name="person_link_decides"),
        sa.Index("ix_person_links_person", "person_id", "created_at"),
    )
    op.create_table(
        "person_link_tokens",
        sa.Column("token_hash", TEXT, primary_key=True),
        sa.Column("link_id", TEXT, sa.ForeignKey("person_links.id"), nullable=False, index=True),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_table(
        "console_sessions",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("secret_hash", TEXT, nullable=False, unique=True),
        sa.Column("how", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("user_agent", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("revoked_by", TEXT),
        sa.Column("roles", DOCUMENT),
        sa.ForeignKeyConstraint(["person_id", "organization_id"], ["people.id", "people.organization_id"]),
        sa.CheckConstraint("how IN ('oidc', 'mail', 'operator')", name="console_session_how"),
        sa.Index("ix_console_sessions_listing", "organization_id", "person_id", "id"),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("state_hash", TEXT, primary_key=True),
        sa.Column("browser_hash", TEXT, nullable=False, unique=True),
        sa.Column("next", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("returned_at", TIME),
        sa.Column("people", DOCUMENT),
        sa.Column("roles", DOCUMENT),
        sa.Column("chosen_at", TIME),
    )
