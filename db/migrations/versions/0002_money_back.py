"""Money back: commitments, notes, delegations, Stripe's events, and the mirror of payments and refunds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON()
MINOR = sa.BigInteger()
EMPTY_LIST = sa.text("'[]'")
TABLES = (
    "commitments",
    "notes",
    "delegations",
    "payments",
    "refunds",
    "credit_notes",
    "balance_transactions",
    "stripe_events",
)
BY_TABLE = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
"""The name by which a batch finds a constraint that SQLite keeps without one."""

SQLITE_APPEND_ONLY = """
CREATE TRIGGER notes_append_only_%(event)s BEFORE %(event)s ON notes
BEGIN SELECT RAISE(ABORT, 'notes are append-only'); END
"""

POSTGRES_APPEND_ONLY = (
    """
    CREATE FUNCTION refuse_note_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        RAISE EXCEPTION 'notes are append-only' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER notes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_note_change()
    """,
)


def upgrade() -> None:
    _create_records()
    _create_mirror()
    _create_stripe_events()
    op.add_column("approvals", sa.Column("authority", DOCUMENT))
    op.add_column("approvals", sa.Column("counted", DOCUMENT, nullable=False, server_default=EMPTY_LIST))
    op.add_column("approvals", sa.Column("customer_id", TEXT))
    op.add_column("approvals", sa.Column("signatures", DOCUMENT, nullable=False, server_default=EMPTY_LIST))
    op.add_column("approvals", sa.Column("reason", TEXT))
    op.add_column("approvals", sa.Column("rule", TEXT))
    op.add_column("decisions", sa.Column("for_person", TEXT))
    _let_notices_repeat()


def _create_records() -> None:
    op.create_table(
        "commitments",
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("payment_intent", TEXT),
        sa.Column("amount_minor", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("authority_of", TEXT),
        sa.Column("decided_at", TIME),
        sa.Column("released_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["authority_of"], ["people.id"]),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
        sa.PrimaryKeyConstraint("operation_id", "part"),
    )
    op.create_index("ix_commitments_person", "commitments", ["organization_id", "authority_of", "decided_at"])
    op.create_index(
        "ix_commitments_customer", "commitments", ["organization_id", "customer_id", "decided_at"]
    )
    op.create_index("ix_commitments_payment_intent", "commitments", ["payment_intent"])
    op.create_table(
        "notes",
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("operation_id", "seq"),
        sa.UniqueConstraint("id"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(SQLITE_APPEND_ONLY % {"event": event})
    else:
        for statement in POSTGRES_APPEND_ONLY:
            op.execute(statement)
    op.create_table(
        "delegations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("from_person", TEXT, nullable=False),
        sa.Column("to_person", TEXT, nullable=False),
        sa.Column("role", TEXT),
        sa.Column("approval_id", TEXT),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("revoked_by", TEXT),
        sa.ForeignKeyConstraint(["from_person"], ["people.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["to_person"], ["people.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_delegations_listing", "delegations", ["organization_id", "id"])
    op.create_index("ix_delegations_active", "delegations", ["organization_id", "ends_at"])


def _create_mirror() -> None:
    op.create_table(
        "payments",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT),
        sa.Column("charge", TEXT),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("amount_refunded", MINOR, nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_payments_customer_id", "payments", ["customer_id"])
    op.create_index("ix_payments_invoice_id", "payments", ["invoice_id"])
    op.create_index("ix_payments_listing", "payments", ["organization_id", "created_at", "id"])
    op.create_table(
        "refunds",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("payment_intent", TEXT, nullable=False),
        sa.Column("operation_id", TEXT),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("failure_reason", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_refunds_operation_id", "refunds", ["operation_id"])
    op.create_index("ix_refunds_payment_intent", "refunds", ["payment_intent"])
    op.create_table(
        "credit_notes",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT),
        sa.Column("number", TEXT, nullable=False),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_credit_notes_operation_id", "credit_notes", ["operation_id"])
    op.create_table(
        "balance_transactions",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT),
        sa.Column("amount", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("ending_balance", MINOR, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_balance_transactions_operation_id", "balance_transactions", ["operation_id"])


def _create_stripe_events() -> None:
    op.create_table(
        "stripe_events",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("object_id", TEXT),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("settled_at", TIME),
        sa.CheckConstraint("state IN ('pending', 'done', 'ignored')", name="stripe_event_state"),
        sa.PrimaryKeyConstraint("id"),
    )


def _let_notices_repeat() -> None:
    with op.batch_alter_table("notices", naming_convention=BY_TABLE) as notices:
        notices.drop_constraint(_one_of_a_kind(), type_="unique")
    op.create_index("ix_notices_operation_id", "notices", ["operation_id"])


def _one_of_a_kind() -> str:
    """The constraint that the first revision made without a name of its own."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    return "uq_notices_operation_id" if sqlite else "notices_operation_id_kind_key"


def downgrade() -> None:
    op.drop_index("ix_notices_operation_id", "notices")
    # The first of a kind stays: the later ones' ids begin with its own.
    op.execute(
        "DELETE FROM notices WHERE id NOT IN (SELECT min(id) FROM notices GROUP BY operation_id, kind)"
    )
    with op.batch_alter_table("notices") as notices:
        notices.create_unique_constraint(_one_of_a_kind(), ["operation_id", "kind"])
    op.drop_column("decisions", "for_person")
    for column in ("rule", "reason", "signatures", "customer_id", "counted", "authority"):
        op.drop_column("approvals", column)
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_note_change()")
