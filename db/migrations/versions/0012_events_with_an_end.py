"""Events that can't be followed are set aside; whether the backlog of the others shrinks."""

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
STATES = ("pending", "done", "ignored")


def upgrade() -> None:
    with op.batch_alter_table("stripe_events") as events:
        events.add_column(sa.Column("tries", sa.Integer(), nullable=False, server_default=sa.text("0")))
        events.add_column(sa.Column("error", TEXT))
        events.add_column(sa.Column("again_at", TIME))
        _allow(events, *STATES, "set_aside")
    which = sa.text("state = 'set_aside'")
    op.create_index(
        "ix_stripe_events_set_aside",
        "stripe_events",
        ["again_at"],
        sqlite_where=which,
        postgresql_where=which,
    )
    op.add_column("stripe_event_checks", sa.Column("oldest_pending", TIME))
    op.add_column("stripe_event_checks", sa.Column("moved_at", TIME))


def _allow(events: BatchOperations, *states: str) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    events.drop_constraint("stripe_event_state", type_="check")
    events.create_check_constraint("stripe_event_state", f"state IN ({listed})")


def downgrade() -> None:
    op.drop_column("stripe_event_checks", "moved_at")
    op.drop_column("stripe_event_checks", "oldest_pending")
    op.drop_index("ix_stripe_events_set_aside", "stripe_events")
    op.execute("UPDATE stripe_events SET state = 'ignored' WHERE state = 'set_aside'")
    with op.batch_alter_table("stripe_events") as events:
        _allow(events, *STATES)
        for name in ("again_at", "error", "tries"):
            events.drop_column(name)
