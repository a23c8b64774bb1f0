"""Holds know whether their story went on, incidents what a new workflow needs, the gate who opened it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
COUNTS = ("alerts", "recoveries")
OPENED = (("opened_by", TEXT), ("opened_because", TEXT), ("opened_at", TIME))


def upgrade() -> None:
    op.add_column("holds", sa.Column("resumed_at", TIME))
    op.execute("UPDATE holds SET resumed_at = released_at")
    _index_holds("resumed_at IS NULL")
    for name in COUNTS:
        op.add_column("incidents", sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0")))
    for name, type_ in OPENED:
        op.add_column("stripe_budgets", sa.Column(name, type_))


def _index_holds(which: str) -> None:
    op.drop_index("ix_holds_waiting", "holds")
    op.create_index(
        "ix_holds_waiting",
        "holds",
        ["component", "held_at", "id"],
        sqlite_where=sa.text(which),
        postgresql_where=sa.text(which),
    )


def downgrade() -> None:
    for name, _ in reversed(OPENED):
        op.drop_column("stripe_budgets", name)
    for name in reversed(COUNTS):
        op.drop_column("incidents", name)
    _index_holds("released_at IS NULL")
    op.drop_column("holds", "resumed_at")
