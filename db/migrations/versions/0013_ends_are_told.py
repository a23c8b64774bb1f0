"""Who was told of what, notices that something has overtaken, what changed since the last round, and the
people's own time zones."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "told_people",
        sa.Column("about", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("told_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("about", "person_id"),
    )
    op.create_index("ix_told_people_operation_id", "told_people", ["operation_id"])
    op.add_column("notices", sa.Column("superseded_at", TIME))
    op.add_column("notices", sa.Column("superseded_because", TEXT))
    op.add_column("notices", sa.Column("superseded_by", TEXT))
    op.add_column("approvals", sa.Column("since", sa.JSON()))
    op.add_column("people", sa.Column("zone", TEXT))
    op.add_column("holds", sa.Column("told_at", TIME))


def downgrade() -> None:
    op.drop_column("holds", "told_at")
    op.drop_column("people", "zone")
    op.drop_column("approvals", "since")
    for name in ("superseded_by", "superseded_because", "superseded_at"):
        op.drop_column("notices", name)
    op.drop_table("told_people")
