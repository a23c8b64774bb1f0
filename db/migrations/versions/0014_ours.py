"""Objects in Stripe are ours by the intent that knows their id; what they claim is kept beside it.

What is set aside names the invoice of whose payment it is given back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TEXT = sa.String()
CLAIMING = ("refunds", "credit_notes", "balance_transactions")


def upgrade() -> None:
    op.create_index("ix_intents_stripe_id", "intents", ["stripe_id"])
    for table in CLAIMING:
        op.add_column(table, sa.Column("claims", TEXT))
        op.create_index(f"ix_{table}_claims", table, ["claims"])
    op.add_column("credit_notes", sa.Column("refunded", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("credit_notes", sa.Column("reason", TEXT))
    op.add_column("commitments", sa.Column("invoice_id", TEXT))
    op.create_index("ix_commitments_invoice_id", "commitments", ["invoice_id"])


def downgrade() -> None:
    op.drop_index("ix_commitments_invoice_id", "commitments")
    op.drop_column("commitments", "invoice_id")
    op.drop_column("credit_notes", "reason")
    op.drop_column("credit_notes", "refunded")
    for table in reversed(CLAIMING):
        op.drop_index(f"ix_{table}_claims", table)
        op.drop_column(table, "claims")
    op.drop_index("ix_intents_stripe_id", "intents")
