"""An index by which the mail that has been due for longest is found."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

DUE = "state = 'due' AND dry_run = ''"


def upgrade() -> None:
    which = sa.text(DUE)
    name = "ix_customer_mails_due"
    op.create_index(name, "customer_mails", ["due_at"], sqlite_where=which, postgresql_where=which)


def downgrade() -> None:
    op.drop_index("ix_customer_mails_due", "customer_mails")
