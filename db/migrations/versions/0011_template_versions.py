"""An organization's mail templates as versions that a second person approves."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
IN_USE = sa.text("state <> 'retired'")


def upgrade() -> None:
    op.drop_table("mail_templates")
    op.create_table(
        "mail_templates",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("html", TEXT),
        sa.Column("written_by", TEXT, nullable=False),
        sa.Column("written_at", TIME, nullable=False),
        sa.Column("approved_by", TEXT),
        sa.Column("approved_at", TIME),
        sa.Column("retired_by", TEXT),
        sa.Column("retired_at", TIME),
        sa.CheckConstraint("state IN ('draft', 'approved', 'retired')", name="mail_template_state"),
        sa.CheckConstraint("approved_by <> written_by", name="mail_template_second_person"),
        sa.CheckConstraint(
            "state <> 'approved' OR approved_by IS NOT NULL", name="mail_template_approved_by"
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "name", "language", "version"),
    )
    op.create_index(
        "one_mail_template_in_a_state",
        "mail_templates",
        ["organization_id", "name", "language", "state"],
        unique=True,
        sqlite_where=IN_USE,
        postgresql_where=IN_USE,
    )


def downgrade() -> None:
    op.drop_table("mail_templates")
    op.create_table(
        "mail_templates",
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("html", TEXT),
        sa.Column("updated_by", TEXT, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("organization_id", "name", "language"),
    )
