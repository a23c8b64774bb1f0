"""Keys of what the product begins by itself apart from those that people send; what fails of a sweep."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("operations") as operations:
        operations.alter_column("idempotency_key", existing_type=TEXT, nullable=True)
        operations.add_column(sa.Column("product_key", TEXT))
        operations.create_check_constraint("operation_key", "idempotency_key IS NULL OR product_key IS NULL")
    op.create_index("one_product_key", "operations", ["organization_id", "product_key"], unique=True)
    op.create_table(
        "setbacks",
        sa.Column("sweep", TEXT, nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("organization_id", TEXT),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sweep", "unit"),
    )


def downgrade() -> None:
    op.drop_table("setbacks")
    op.drop_index("one_product_key", "operations")
    # What the product began by itself gets its own id for a key, which nobody else has.
    op.execute("UPDATE operations SET idempotency_key = id WHERE idempotency_key IS NULL")
    with op.batch_alter_table("operations") as operations:
        operations.drop_constraint("operation_key", type_="check")
        operations.drop_column("product_key")
        operations.alter_column("idempotency_key", existing_type=TEXT, nullable=False)
