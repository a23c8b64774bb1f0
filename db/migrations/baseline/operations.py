"""Operations with their timeline, notes, money set aside, effects on Stripe, mails and outbox."""

import sqlalchemy as sa
from alembic import op

from .append_only import make_append_only
from .columns import DOCUMENT, MINOR, TEXT, TIME, where

SAY_DUE = """
    CREATE FUNCTION say_outbox_due() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('something_due', NEW.action); RETURN NULL; END $$
"""
OUTBOX_DUE = """
    CREATE TRIGGER outbox_due AFTER INSERT ON outbox
    FOR EACH ROW WHEN (NEW.next_attempt_at <= NEW.created_at) EXECUTE FUNCTION say_outbox_due()
"""
SAY_EVENT_DUE = """
    CREATE FUNCTION say_stripe_event_due() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('something_due', 'event'); RETURN NULL; END $$
"""
STRIPE_EVENT_DUE = """
    CREATE TRIGGER stripe_event_due AFTER INSERT ON stripe_events
    FOR EACH ROW WHEN (NEW.again_at <= NEW.received_at) EXECUTE FUNCTION say_stripe_event_due()
"""
"""Workers hear at once that something is due, and what is to be done with it. Most rows of the outbox are
not: the API sends those itself. Nor is an event of a rush: commits that notify wait for each other."""


def create() -> None:
    op.create_table(
        "operations",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("request", DOCUMENT, nullable=False),
        sa.Column("request_hash", TEXT, nullable=False),
        sa.Column("idempotency_key", TEXT),
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
        sa.Column("replaces", TEXT, nullable=False),
        sa.Column("product_key", TEXT),
        sa.Column("authors", DOCUMENT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("amount_minor", MINOR),
        sa.Column("currency", TEXT),
        sa.Column("restored_at", TIME),
        sa.UniqueConstraint("organization_id", "idempotency_key"),
        sa.CheckConstraint("idempotency_key IS NULL OR product_key IS NULL", name="operation_key"),
        sa.Index("ix_operations_closed", "organization_id", "kind", "closed_at"),
        sa.Index("ix_operations_customer", "organization_id", "customer_id", "id"),
        sa.Index("ix_operations_listing", "organization_id", "id"),
        sa.Index("ix_operations_person", "organization_id", "requested_by", "id"),
        sa.Index("ix_operations_requested", "organization_id", "kind", "created_at"),
        sa.Index("ix_operations_updated", "organization_id", "updated_at", "id"),
        sa.Index("ix_operations_went_on", "updated_at"),
        sa.Index("ix_operations_open", "kind", "state", "created_at", **where("closed_at IS NULL")),
        sa.Index(
            "one_changes_subscription",
            "organization_id",
            "replaces",
            unique=True,
            **where(
                "closed_at IS NULL AND (kind = 'plan_change' "
                "OR (kind = 'cancellation' AND stage NOT IN ('ending', 'mismatched')))"
            ),
        ),
        sa.Index("one_product_key", "organization_id", "product_key", unique=True),
    )
    op.create_table(
        "operation_objects",
        sa.Column("object_id", TEXT, primary_key=True),
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
    )
    op.create_table(
        "timeline",
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("detail", DOCUMENT, nullable=False),
        sa.Column("prev_hash", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("names", DOCUMENT, nullable=False),
        sa.Column("records", DOCUMENT, nullable=False),
        sa.UniqueConstraint("operation_id", "key"),
    )
    op.create_table(
        "notes",
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "comments",
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "commitments",
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), primary_key=True),
        sa.Column("part", sa.Integer(), primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("customer_id", TEXT),
        sa.Column("payment_intent", TEXT, index=True),
        sa.Column("amount_minor", MINOR, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("person_id", TEXT, sa.ForeignKey("people.id")),
        sa.Column("authority_of", TEXT, sa.ForeignKey("people.id")),
        sa.Column("decided_at", TIME),
        sa.Column("released_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("invoice_id", TEXT, index=True),
        sa.Index("ix_commitments_customer", "organization_id", "customer_id", "decided_at"),
        sa.Index("ix_commitments_decided", "organization_id", "decided_at"),
        sa.Index("ix_commitments_person", "organization_id", "authority_of", "decided_at"),
    )
    op.create_table(
        "intents",
        sa.Column("idempotency_key", TEXT, primary_key=True),
        sa.Column("organization_id", TEXT, sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), nullable=False, index=True),
        sa.Column("step", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effect", TEXT, nullable=False),
        sa.Column("params_hash", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("stripe_id", TEXT, index=True),
        sa.Column("stripe_request_id", TEXT),
        sa.Column("result", DOCUMENT),
        sa.Column("error", DOCUMENT),
        sa.Column("read_back", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("params", DOCUMENT, nullable=False),
        sa.CheckConstraint("state IN ('open', 'done', 'refused')", name="intent_state"),
        sa.Index("ix_intents_pace", "organization_id", "effect", "created_at"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("workflow_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("update_id", TEXT, nullable=False),
        sa.Column("payload", DOCUMENT, nullable=False),
        sa.Column("found_by", DOCUMENT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", TEXT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=False),
        sa.Column("settled_at", TIME),
        sa.Column("traceparent", TEXT),
        sa.UniqueConstraint("workflow_id", "name", "update_id"),
        sa.Index("ix_outbox_due", "next_attempt_at", **where("state = 'pending'")),
        sa.Index("ix_outbox_refused", "settled_at", **where("state = 'refused'")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(SAY_DUE)
        op.execute(OUTBOX_DUE)
    op.create_table(
        "mails",
        sa.Column("message_id", TEXT, primary_key=True),
        sa.Column("operation_id", TEXT, sa.ForeignKey("operations.id"), nullable=False, index=True),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("sent_at", TIME, nullable=False),
    )
    op.create_table(
        "stripe_events",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("object_id", TEXT, index=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("settled_at", TIME),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", TEXT),
        sa.Column("again_at", TIME),
        sa.Column("claimed_until", TIME),
        sa.Column("newcomer", sa.Boolean(), nullable=False),
        sa.Column("traceparent", TEXT),
        sa.CheckConstraint("state IN ('pending', 'done', 'ignored', 'set_aside')", name="stripe_event_state"),
        sa.Index("ix_stripe_events_pending", "received_at", **where("state = 'pending'")),
        sa.Index("ix_stripe_events_received", "received_at"),
        sa.Index("ix_stripe_events_set_aside", "object_id", **where("state = 'set_aside'")),
        sa.Index("ix_stripe_events_due", "again_at", **where("again_at IS NOT NULL")),
        sa.Index("ix_stripe_events_claimed", "claimed_until", **where("claimed_until IS NOT NULL")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(SAY_EVENT_DUE)
        op.execute(STRIPE_EVENT_DUE)
    make_append_only("timeline", "refuse_timeline_change", "the timeline is append-only")
    make_append_only("notes", "refuse_note_change", "notes are append-only")
    make_append_only("comments", "refuse_comment_change", "comments are append-only")
