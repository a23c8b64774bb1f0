"""Who shaped what is decided, and whether a delegate agreed to be one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table in ("operations", "approvals"):
        authors = sa.Column("authors", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
        op.add_column(table, authors)
    op.add_column("approvals", sa.Column("revised", sa.JSON()))
    for column in ("accepted_at", "declined_at"):
        op.add_column("delegations", sa.Column(column, TIME))


def downgrade() -> None:
    for column in ("declined_at", "accepted_at"):
        op.drop_column("delegations", column)
    op.drop_column("approvals", "revised")
    for table in ("approvals", "operations"):
        op.drop_column(table, "authors")
