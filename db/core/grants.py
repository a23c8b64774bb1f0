"""What the application's own PostgreSQL role may do: its work, and not rewrite what has happened.

The tables belong to another role, that of the migrations. A trigger keeps the timeline, the notes and the
comments even from that one; the rights here also keep who decided what, what was sent to Stripe, and whole
rows of all that an audit asks for.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from .. import tables  # noqa: F401 - fills the metadata

APPEND_ONLY = frozenset(
    {
        *("timeline", "notes", "comments", "decisions", "mails", "operation_objects", "record_reads"),
        "customer_erasures",
        *("evidence_roots", "sealed_heads", "signing_keys"),
    }
)
"""Rows are added and never changed."""

CHANGED: Mapping[str, Sequence[str]] = {
    "intents": (
        *("state", "attempts", "stripe_id", "stripe_request_id"),
        *("result", "error", "read_back", "closed_at"),
    ),
    "payment_promises": ("word", "replaced_at", "outcome", "settled_at"),
    "person_links": ("used_at",),
    "console_sessions": ("last_seen_at", "revoked_at", "revoked_by"),
    "api_keys": ("secret_hash", "expires_at", "replaced_by", "revoked_at", "revoked_by", "origin"),
}
"""Only these columns are written later: what was about to be done stays as it is, and so does who signed in
as whom, who made which key, and by when a customer promised to pay. What they said besides is erased with
them."""

DELETED = frozenset(
    {
        # The mirror, which Stripe can fill again.
        *("invoices", "invoice_lines", "organization_invoices"),
        # What is no history.
        *(
            "health_counts",
            "setbacks",
            "key_uses",
            "paces",
            "reminder_pauses",
            "mail_templates",
            "incident_steps",
        ),
        *("reconciliations", "differences", "outbox", "stripe_events"),
        # What the provisioning file no longer has.
        "chat_webhooks",
        *("person_link_tokens", "sign_in_attempts"),
        # What a customer is erased from.
        "invoice_pdfs",
        # What is older than an audit looks back.
        *("person_links", "console_sessions", "record_reads"),
    }
)
"""Only of these are rows ever removed."""


class UnknownRole(Exception):
    """There is no such role in PostgreSQL."""


def grant(connection: Connection, role: str) -> None:
    """Give the role exactly these rights on every table. Raises UnknownRole."""
    there = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
    if connection.execute(there, {"role": role}).first() is None:
        raise UnknownRole(
            f"PostgreSQL has no role {role}; create it first (deploy/postgres/05-plixo.sh does)."
        )
    to = connection.dialect.identifier_preparer.quote(role)
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {to}"))
    connection.execute(text(f"GRANT SELECT ON alembic_version TO {to}"))
    for table in SQLModel.metadata.tables:
        connection.execute(text(f"REVOKE ALL ON {table} FROM {to}"))
        connection.execute(text(f"GRANT {', '.join(_rights(table))} ON {table} TO {to}"))


def _rights(table: str) -> list[str]:
    rights = ["SELECT", "INSERT"]
    if table in CHANGED:
        rights.append(f"UPDATE ({', '.join(CHANGED[table])})")
    elif table not in APPEND_ONLY:
        rights.append("UPDATE")
    if table in DELETED:
        rights.append("DELETE")
    return rights
