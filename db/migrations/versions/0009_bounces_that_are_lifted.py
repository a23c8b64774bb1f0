"""Who lifted a customer's bounce and why; the mails that bounced lately are found by when they did."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BOUNCED = sa.text("state = 'bounced'")


def upgrade() -> None:
    op.add_column("customer_settings", sa.Column("bounce_lifted_at", sa.DateTime(timezone=True)))
    op.add_column("customer_settings", sa.Column("bounce_lifted_by", sa.String()))
    op.add_column("customer_settings", sa.Column("bounce_lifted_why", sa.String()))
    op.create_index(
        "ix_customer_mails_bounced",
        "customer_mails",
        ["settled_at"],
        sqlite_where=BOUNCED,
        postgresql_where=BOUNCED,
    )


def downgrade() -> None:
    op.drop_index("ix_customer_mails_bounced", "customer_mails")
    with op.batch_alter_table("customer_settings") as settings:
        for column in ("bounce_lifted_why", "bounce_lifted_by", "bounce_lifted_at"):
            settings.drop_column(column)
