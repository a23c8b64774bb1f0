"""The first tables: everything of the first release."""

from db.migrations import baseline

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    baseline.create()


def downgrade() -> None:
    raise NotImplementedError(
        "Before the first revision there is nothing: restore a backup, or drop the database."
    )
