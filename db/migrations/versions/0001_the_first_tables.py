"""The first tables: everything of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON()
MINOR = sa.BigInteger()
PENDING = sa.text("state = 'pending'")
OPEN_PLAN_CHANGE = sa.text("kind = 'plan_change' AND closed_at IS NULL")
TABLES = (
    "organizations",
    "outbox",
    "plans",
    "customers",
    "invoices",
    "people",
    "api_keys",
    "operations",
    "approvals",
    "intents",
    "mails",
    "notices",
    "timeline",
    "decisions",
)

SQLITE_APPEND_ONLY = """
CREATE TRIGGER timeline_append_only_%(event)s BEFORE %(event)s ON timeline
BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END
"""

POSTGRES_APPEND_ONLY = (
    """
    CREATE FUNCTION refuse_timeline_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        RAISE EXCEPTION 'the timeline is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER timeline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timeline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_timeline_change()
    """,
)


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("zone", TEXT, nullable=False),
        sa.Column("country", TEXT, nullable=False),
        sa.Column("subdivision", TEXT),
        sa.Column("stripe_customer", TEXT, nullable=False),
        sa.Column("stripe_subscription", TEXT, nullable=False),
        sa.Column("subscription", DOCUMENT),
        sa.Column("synced_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("update_id", TEXT, nullable=False),
        sa.Column("payload", DOCUMENT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=False),
        sa.Column("settled_at", TIME),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workflow_id", "name", "update_id"),
    )
    op.create_index(
        "ix_outbox_due", "outbox", ["next_attempt_at"], sqlite_where=PENDING, postgresql_where=PENDING
    )
    op.create_table(
        "plans",
        sa.Column("plan", TEXT, nullable=False),
        sa.Column("product", TEXT, nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("plan"),
    )
    op.create_table(
        "customers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("name", TEXT),
        sa.Column("email", TEXT),
        sa.Column("currency", TEXT),
        sa.Column("balance", MINOR, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_customers_listing", "customers", ["organization_id", "created_at", "id"])
    op.create_index("ix_customers_organization_id", "customers", ["organization_id"])
    op.create_table(
        "invoices",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("number", TEXT),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("total", MINOR, nullable=False),
        sa.Column("amount_due", MINOR, nullable=False),
        sa.Column("amount_paid", MINOR, nullable=False),
        sa.Column("amount_remaining", MINOR, nullable=False),
        sa.Column("due_date", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_invoices_customer_id", "invoices", ["customer_id"])
    op.create_index("ix_invoices_listing", "invoices", ["organization_id", "created_at", "id"])
    op.create_index("ix_invoices_open", "invoices", ["organization_id", "status"])
    op.create_index("ix_invoices_organization_id", "invoices", ["organization_id"])
    op.create_table(
        "people",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("roles", DOCUMENT, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_people_organization_id", "people", ["organization_id"])
    op.create_table(
        "api_keys",
        sa.Column("prefix", TEXT, nullable=False),
        sa.Column("secret_hash", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
        sa.PrimaryKeyConstraint("prefix"),
    )
    op.create_index("ix_api_keys_person_id", "api_keys", ["person_id"])
    op.create_table(
        "operations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("request", DOCUMENT, nullable=False),
        sa.Column("request_hash", TEXT, nullable=False),
        sa.Column("idempotency_key", TEXT, nullable=False),
        sa.Column("subject", DOCUMENT),
        sa.Column("policy", DOCUMENT, nullable=False),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("result", DOCUMENT),
        sa.Column("error", DOCUMENT),
        sa.Column("allowed_actions", DOCUMENT, nullable=False),
        sa.Column("approval_id", TEXT),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["requested_by"], ["people.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "idempotency_key"),
    )
    op.create_index("ix_operations_listing", "operations", ["organization_id", "id"])
    op.create_index(
        "one_open_plan_change",
        "operations",
        ["organization_id"],
        unique=True,
        sqlite_where=OPEN_PLAN_CHANGE,
        postgresql_where=OPEN_PLAN_CHANGE,
    )
    op.create_table(
        "approvals",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("subject", DOCUMENT, nullable=False),
        sa.Column("subject_hash", TEXT, nullable=False),
        sa.Column("amount_minor", MINOR),
        sa.Column("currency", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("ladder", DOCUMENT, nullable=False),
        sa.Column("deadline", TIME),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.Column("decided_by", TEXT),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_approvals_listing", "approvals", ["organization_id", "state"])
    op.create_index("ix_approvals_operation_id", "approvals", ["operation_id"])
    op.create_table(
        "intents",
        sa.Column("idempotency_key", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("step", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effect", TEXT, nullable=False),
        sa.Column("params_hash", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("stripe_id", TEXT),
        sa.Column("stripe_request_id", TEXT),
        sa.Column("result", DOCUMENT),
        sa.Column("error", DOCUMENT),
        sa.Column("read_back", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.CheckConstraint("state IN ('open', 'done', 'refused')", name="intent_state"),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("idempotency_key"),
        sa.UniqueConstraint("operation_id", "step", "version"),
    )
    op.create_index("ix_intents_operation_id", "intents", ["operation_id"])
    op.create_table(
        "mails",
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("sent_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("ix_mails_operation_id", "mails", ["operation_id"])
    op.create_table(
        "notices",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject", DOCUMENT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("acknowledged_at", TIME),
        sa.Column("acknowledged_by", TEXT),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("operation_id", "kind"),
    )
    op.create_index("ix_notices_organization_id", "notices", ["organization_id"])
    op.create_table(
        "timeline",
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("detail", DOCUMENT, nullable=False),
        sa.Column("prev_hash", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.PrimaryKeyConstraint("operation_id", "seq"),
        sa.UniqueConstraint("operation_id", "key"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("approval_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("decision", TEXT, nullable=False),
        sa.Column("comment", TEXT),
        sa.Column("subject_hash", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("refusal", DOCUMENT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("settled_at", TIME),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decisions_approval_id", "decisions", ["approval_id"])
    _make_timeline_append_only()


def _make_timeline_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(SQLITE_APPEND_ONLY % {"event": event})
    else:
        for statement in POSTGRES_APPEND_ONLY:
            op.execute(statement)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_timeline_change()")
