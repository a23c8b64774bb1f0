"""Portal links, what customers are sent and when, and the mirror that both need."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
MINOR = sa.BigInteger()
TABLES = (
    "portal_links",
    "portal_tokens",
    "portal_accesses",
    "portal_networks",
    "portal_troubles",
    "customer_mails",
    "mail_templates",
    "customer_settings",
    "reminder_pauses",
    "invoice_lines",
    "invoice_pdfs",
    "pay_links",
    "incidents",
)
BY_TABLE = {"fk": "fk_%(table_name)s_%(column_0_name)s"}
"""The name by which a batch finds a constraint that SQLite keeps without one."""


def upgrade() -> None:
    _create_links()
    _create_mails()
    _create_invoices()
    _create_incidents()
    op.add_column("customers", sa.Column("language", TEXT))
    op.add_column("customers", sa.Column("country", TEXT))
    op.add_column("invoices", sa.Column("finalized_at", TIME))
    op.add_column("invoices", sa.Column("collection_method", TEXT))
    # With the id, so that a sweep pages through open invoices without sorting them each time.
    op.drop_index("ix_invoices_open", "invoices")
    op.create_index("ix_invoices_open", "invoices", ["organization_id", "status", "id"])
    # What a schedule or a customer began was asked for by nobody of the organization.
    with op.batch_alter_table("operations", naming_convention=BY_TABLE) as operations:
        operations.drop_constraint(_of_people(), type_="foreignkey")


def _create_links() -> None:
    op.create_table(
        "portal_links",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("issued_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("operation_id", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("first_opened_at", TIME),
        sa.Column("last_opened_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by", TEXT),
        sa.Column("end_reason", TEXT),
        sa.Column("end_note", TEXT),
        sa.CheckConstraint("end_reason IN ('revoked', 'replaced')", name="portal_link_end_reason"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_portal_links_customer_id", "portal_links", ["customer_id"])
    op.create_index("ix_portal_links_invoice", "portal_links", ["invoice_id", "created_at"])
    op.create_index(
        "one_live_portal_link",
        "portal_links",
        ["invoice_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "portal_tokens",
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("link_id", TEXT, nullable=False),
        sa.Column("mail_id", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["portal_links.id"]),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_portal_tokens_link_id", "portal_tokens", ["link_id"])
    op.create_table(
        "portal_accesses",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("link_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("agent", TEXT),
        sa.ForeignKeyConstraint(["link_id"], ["portal_links.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_portal_accesses_address", "portal_accesses", ["address", "at"])
    op.create_index("ix_portal_accesses_invoice", "portal_accesses", ["invoice_id", "at"])
    op.create_table(
        "portal_networks",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("network", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("removed_at", TIME),
        sa.Column("removed_by", TEXT),
        sa.CheckConstraint("action IN ('allow', 'block')", name="portal_network_action"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_portal_networks_organization_id", "portal_networks", ["organization_id"])
    op.create_table(
        "portal_troubles",
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("noticed_at", TIME, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("escalated_at", TIME),
        sa.Column("closed_at", TIME),
        sa.Column("how", TEXT),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("operation_id"),
    )
    op.create_index("ix_portal_troubles_listing", "portal_troubles", ["organization_id", "noticed_at"])
    op.create_index(
        "one_open_portal_trouble",
        "portal_troubles",
        ["invoice_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _create_mails() -> None:
    op.create_table(
        "customer_mails",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("step", TEXT, nullable=False),
        sa.Column("dry_run", TEXT, nullable=False),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("operation_id", TEXT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("amount_minor", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("claimed_until", TIME),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("link_id", TEXT),
        sa.Column("address", TEXT),
        sa.Column("smtp_code", sa.Integer()),
        sa.Column("settled_at", TIME),
        sa.CheckConstraint(
            "state IN ('held', 'due', 'sent', 'skipped', 'bounced')", name="customer_mail_state"
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dry_run", "invoice_id", "step"),
    )
    op.create_index("ix_customer_mails_invoice", "customer_mails", ["invoice_id", "decided_at"])
    op.create_index(
        "ix_customer_mails_open",
        "customer_mails",
        ["organization_id", "due_at"],
        sqlite_where=sa.text("state IN ('held', 'due') AND dry_run = ''"),
        postgresql_where=sa.text("state IN ('held', 'due') AND dry_run = ''"),
    )
    op.create_index("ix_customer_mails_run", "customer_mails", ["operation_id", "state"])
    op.create_table(
        "mail_templates",
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("html", TEXT),
        sa.Column("updated_by", TEXT, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("organization_id", "name", "language"),
    )
    op.create_table(
        "customer_settings",
        sa.Column("customer_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("language", TEXT),
        sa.Column("zone", TEXT),
        sa.Column("country", TEXT),
        sa.Column("subdivision", TEXT),
        sa.Column("approval_cycle_days", sa.Integer()),
        sa.Column("opted_out_at", TIME),
        sa.Column("opted_out_by", TEXT),
        sa.Column("bounced_at", TIME),
        sa.Column("bounced_address", TEXT),
        sa.Column("bounce_code", sa.Integer()),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("customer_id"),
    )
    op.create_index("ix_customer_settings_organization_id", "customer_settings", ["organization_id"])
    op.create_table(
        "reminder_pauses",
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("until", sa.Date()),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("paused_by", TEXT, nullable=False),
        sa.Column("paused_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("invoice_id"),
    )
    op.create_index("ix_reminder_pauses_organization_id", "reminder_pauses", ["organization_id"])


def _create_invoices() -> None:
    op.create_table(
        "invoice_lines",
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("invoice_id"),
    )
    op.create_table(
        "invoice_pdfs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", TIME, nullable=False),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_invoice_pdfs_invoice", "invoice_pdfs", ["invoice_id", "fetched_at"])
    op.create_table(
        "pay_links",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, nullable=False),
        sa.Column("invoice_id", TEXT, nullable=False),
        sa.Column("requested_by", TEXT, nullable=False),
        sa.Column("read_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_pay_links_invoice_id", "pay_links", ["invoice_id"])


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("component", TEXT, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("cleared_at", TIME),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "one_open_incident",
        "incidents",
        ["component"],
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    )


def _of_people() -> str:
    """The constraint that the first revision made without a name of its own."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    return "fk_operations_requested_by" if sqlite else "operations_requested_by_fkey"


def downgrade() -> None:
    with op.batch_alter_table("operations") as operations:
        # Not of what is there: some of it was asked for by nobody of the organization.
        operations.create_foreign_key(
            _of_people(), "people", ["requested_by"], ["id"], postgresql_not_valid=True
        )
    op.drop_index("ix_invoices_open", "invoices")
    op.create_index("ix_invoices_open", "invoices", ["organization_id", "status"])
    for column in ("collection_method", "finalized_at"):
        op.drop_column("invoices", column)
    for column in ("country", "language"):
        op.drop_column("customers", column)
    for table in reversed(TABLES):
        op.drop_table(table)
