"""The tables of operations, what they are found by, their timelines, notes and comments.

Amounts are integer minor units beside their currency; times are UTC.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from .columns import document, minor, utc

CHANGES_SUBSCRIPTION = (
    "closed_at IS NULL AND (kind = 'plan_change' "
    "OR (kind = 'cancellation' AND stage NOT IN ('ending', 'mismatched')))"
)
"""What holds the organization's subscription against other changes. A cancellation that has done what it does
there lets go of it: the end that it then waits for may be taken back by another one."""


class Operation(SQLModel, table=True):
    """One thing that somebody asked for. Written before its workflow is started."""

    __tablename__ = "operations"
    __table_args__ = (
        UniqueConstraint("organization_id", "idempotency_key"),
        Index("one_product_key", "organization_id", "product_key", unique=True),
        CheckConstraint("idempotency_key IS NULL OR product_key IS NULL", name="operation_key"),
        Index(
            "one_changes_subscription",
            "organization_id",
            "replaces",
            unique=True,
            sqlite_where=text(CHANGES_SUBSCRIPTION),
            postgresql_where=text(CHANGES_SUBSCRIPTION),
        ),
        Index("ix_operations_listing", "organization_id", "id"),
        Index("ix_operations_requested", "organization_id", "kind", "created_at"),
        Index("ix_operations_closed", "organization_id", "kind", "closed_at"),
        Index("ix_operations_customer", "organization_id", "customer_id", "id"),
        Index("ix_operations_person", "organization_id", "requested_by", "id"),
        Index("ix_operations_updated", "organization_id", "updated_at", "id"),
        Index("ix_operations_went_on", "updated_at"),
        Index(
            "ix_operations_open",
            "kind",
            "state",
            "created_at",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    kind: str
    state: str
    stage: str
    request: dict[str, Any] = document()
    """What was asked for, as validated."""
    request_hash: str
    idempotency_key: str | None = None
    """As a person sent it; None for what nobody sent."""
    subject: dict[str, Any] | None = document(default=None)
    policy: dict[str, Any] = document()
    """The policy that the operation started under, and keeps."""
    requested_by: str
    """A person's id; `system` for what a schedule began, `customer` for what one of them did."""
    result: dict[str, Any] | None = document(default=None)
    error: dict[str, Any] | None = document(default=None)
    allowed_actions: list[str] = document(default_factory=list)
    approval_id: str | None = None
    workflow_id: str
    created_at: datetime = utc()
    updated_at: datetime = utc()
    closed_at: datetime | None = utc(default=None)
    replaces: str = ""
    """The plan change that waits for the end of the period, and whose place this one is to take: the only one
    that may be open beside it."""
    product_key: str | None = None
    """Of what the product begins by itself, where it may be tried twice. No request can set it."""
    authors: list[dict[str, Any]] = document(default_factory=list)
    """`billing.approvals.authorship.Author`s: in order, who asked for it, revised it or had it retried."""
    customer_id: str | None = None
    """The organization's customer whom it is about, and below the amount: as the subject says, and before
    there is one the request."""
    amount_minor: int | None = minor(default=None)
    currency: str | None = None
    restored_at: datetime | None = utc(default=None)
    """When the records came back from a backup in which it was open: Stripe may have done more of it than
    they know."""


class OperationObject(SQLModel, table=True):
    """An object in Stripe that an operation is about: what it is found by."""

    __tablename__ = "operation_objects"
    object_id: str = Field(primary_key=True)
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    organization_id: str = Field(foreign_key="organizations.id")


class CommentRow(SQLModel, table=True):
    """What somebody says to the others about an operation. Append-only, as notes are."""

    __tablename__ = "comments"
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    seq: int = Field(primary_key=True)
    id: str = Field(unique=True)
    organization_id: str = Field(foreign_key="organizations.id")
    text: str
    author: str
    at: datetime = utc()


class TimelineEvent(SQLModel, table=True):
    """Append-only (a trigger refuses UPDATE and DELETE); `key` makes a repeated append a no-op."""

    __tablename__ = "timeline"
    __table_args__ = (UniqueConstraint("operation_id", "key"),)
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    seq: int = Field(primary_key=True)
    key: str
    at: datetime = utc()
    actor: str
    code: str
    """An `EventCode`."""
    detail: dict[str, Any] = document()
    prev_hash: str
    hash: str
    names: dict[str, Any] = document(default_factory=dict)
    """Who the people are whom the event names, at that moment: `billing.evidence.timeline.Event`."""
    records: dict[str, Any] = document(default_factory=dict)
    """The hashes of the operation's records that were written with it."""


class NoteRow(SQLModel, table=True):
    """Why money went back, in a person's words. Append-only (a trigger refuses UPDATE and DELETE)."""

    __tablename__ = "notes"
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    seq: int = Field(primary_key=True)
    id: str = Field(unique=True)
    organization_id: str = Field(foreign_key="organizations.id")
    text: str
    author: str
    at: datetime = utc()
