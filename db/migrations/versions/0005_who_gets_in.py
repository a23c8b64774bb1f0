"""One organization a subscription, one person an address, keys of one's own organization, and who tried."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
NAMES = {
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
}
"""As PostgreSQL names them; SQLite's have no names, so they are given these while a table is copied."""

OLD_KEYS = (
    ("api_keys_organization_id_fkey", "organizations", ["organization_id"], ["id"]),
    ("api_keys_person_id_fkey", "people", ["person_id"], ["id"]),
)


def upgrade() -> None:
    with op.batch_alter_table("organizations", naming_convention=NAMES) as organizations:
        for column in ("stripe_customer", "stripe_subscription"):
            organizations.create_unique_constraint(f"organizations_{column}_key", [column])
    with op.batch_alter_table("people", naming_convention=NAMES) as people:
        people.create_unique_constraint("people_organization_id_email_key", ["organization_id", "email"])
        people.create_unique_constraint("people_id_organization_id_key", ["id", "organization_id"])
    with op.batch_alter_table("api_keys", naming_convention=NAMES) as keys:
        keys.add_column(sa.Column("origin", TEXT, nullable=False, server_default="issued"))
        keys.create_check_constraint("api_key_origin", "origin IN ('issued', 'file')")
        for name, *_ in OLD_KEYS:
            keys.drop_constraint(name, type_="foreignkey")
        keys.create_foreign_key(
            "api_keys_person_id_organization_id_fkey",
            "people",
            ["person_id", "organization_id"],
            ["id", "organization_id"],
        )
    op.create_table(
        "key_uses",
        sa.Column("prefix", TEXT, nullable=False),
        sa.Column("window_start", TIME, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("prefix", "window_start", "address"),
    )
    op.create_index("ix_key_uses_address", "key_uses", ["address", "window_start"])


def downgrade() -> None:
    op.drop_table("key_uses")
    with op.batch_alter_table("api_keys", naming_convention=NAMES) as keys:
        keys.drop_constraint("api_keys_person_id_organization_id_fkey", type_="foreignkey")
        for name, table, columns, referred in OLD_KEYS:
            keys.create_foreign_key(name, table, columns, referred)
        keys.drop_constraint("api_key_origin", type_="check")
        keys.drop_column("origin")
    with op.batch_alter_table("people", naming_convention=NAMES) as people:
        people.drop_constraint("people_id_organization_id_key", type_="unique")
        people.drop_constraint("people_organization_id_email_key", type_="unique")
    with op.batch_alter_table("organizations", naming_convention=NAMES) as organizations:
        for column in ("stripe_customer", "stripe_subscription"):
            organizations.drop_constraint(f"organizations_{column}_key", type_="unique")
