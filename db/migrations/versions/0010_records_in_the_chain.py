"""Events carry the hashes of the records written with them; intents carry what was asked of Stripe."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ADDED = (
    ("timeline", "names", sa.JSON(), "'{}'"),
    ("timeline", "records", sa.JSON(), "'{}'"),
    ("intents", "target", sa.String(), "''"),
    ("intents", "params", sa.JSON(), "'{}'"),
)


def upgrade() -> None:
    for table, name, type_, empty in ADDED:
        op.add_column(table, sa.Column(name, type_, nullable=False, server_default=sa.text(empty)))


def downgrade() -> None:
    for table, name, _, _ in reversed(ADDED):
        op.drop_column(table, name)
