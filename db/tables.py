"""Every table. Stripe is the source of truth: rows hold what Stripe can't (who, why, approvals, notes)
and a mirror, with `synced_at`, of what it can.

Amounts are integer minor units beside their currency; times are UTC.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, UniqueConstraint, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import JSON, TypeDecorator
from sqlmodel import Field, SQLModel
from ulid import ULID


class Utc(TypeDecorator[datetime]):
    """A timezone-aware UTC datetime on every database; SQLite itself keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was about to be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def new_id(prefix: str) -> str:
    """A sortable unique id such as `op_01J…`."""
    return f"{prefix}_{ULID()}"


def _time(**more: Any) -> Any:
    return Field(sa_type=Utc, **more)


def _json(**more: Any) -> Any:
    return Field(sa_type=JSON(none_as_null=True), **more)


def _minor(**more: Any) -> Any:
    return Field(sa_type=BigInteger, **more)


class Organization(SQLModel, table=True):
    """A tenant: subscribes to a plan, has people and customers."""

    __tablename__ = "organizations"
    id: str = Field(primary_key=True)
    name: str
    zone: str
    country: str
    subdivision: str | None = None
    stripe_customer: str
    stripe_subscription: str
    subscription: dict[str, Any] | None = _json(default=None)
    """Mirror of the Stripe subscription: plan, price, seats, interval, period_start, period_end, status."""
    synced_at: datetime | None = _time(default=None)
    created_at: datetime = _time()


class Person(SQLModel, table=True):
    """Somebody who uses Plixo for an organization; an active person uses one seat."""

    __tablename__ = "people"
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    name: str
    email: str
    roles: list[str] = _json()
    active: bool = True
    created_at: datetime = _time()


class ApiKey(SQLModel, table=True):
    """Only the prefix and the SHA-256 of the secret are kept."""

    __tablename__ = "api_keys"
    prefix: str = Field(primary_key=True)
    secret_hash: str
    person_id: str = Field(foreign_key="people.id", index=True)
    organization_id: str = Field(foreign_key="organizations.id")
    created_at: datetime = _time()
    expires_at: datetime | None = _time(default=None)
    revoked_at: datetime | None = _time(default=None)


class PlanRow(SQLModel, table=True):
    """Mirror of one plan: a Stripe product with its prices (`billing.plans.Plan` as JSON)."""

    __tablename__ = "plans"
    plan: str = Field(primary_key=True)
    product: str
    document: dict[str, Any] = _json()
    synced_at: datetime = _time()


class Customer(SQLModel, table=True):
    """Mirror of a Stripe customer of an organization."""

    __tablename__ = "customers"
    __table_args__ = (Index("ix_customers_listing", "organization_id", "created_at", "id"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    name: str | None = None
    email: str | None = None
    currency: str | None = None
    balance: int = _minor(default=0)
    deleted: bool = False
    created_at: datetime = _time()
    synced_at: datetime = _time()


class Invoice(SQLModel, table=True):
    """Mirror of a Stripe invoice of one of the organization's customers."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index("ix_invoices_open", "organization_id", "status"),
        Index("ix_invoices_listing", "organization_id", "created_at", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    customer_id: str = Field(index=True)
    number: str | None = None
    status: str
    currency: str
    total: int = _minor()
    amount_due: int = _minor()
    amount_paid: int = _minor()
    amount_remaining: int = _minor()
    due_date: datetime | None = _time(default=None)
    created_at: datetime = _time()
    synced_at: datetime = _time()


class Operation(SQLModel, table=True):
    """One thing that somebody asked for. Written before its workflow is started."""

    __tablename__ = "operations"
    __table_args__ = (
        UniqueConstraint("organization_id", "idempotency_key"),
        Index(
            "one_open_plan_change",
            "organization_id",
            unique=True,
            sqlite_where=text("kind = 'plan_change' AND closed_at IS NULL"),
            postgresql_where=text("kind = 'plan_change' AND closed_at IS NULL"),
        ),
        Index("ix_operations_listing", "organization_id", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    kind: str
    state: str
    stage: str
    request: dict[str, Any] = _json()
    """What was asked for, as validated."""
    request_hash: str
    idempotency_key: str
    subject: dict[str, Any] | None = _json(default=None)
    policy: dict[str, Any] = _json()
    """The policy that the operation started under, and keeps."""
    requested_by: str = Field(foreign_key="people.id")
    result: dict[str, Any] | None = _json(default=None)
    error: dict[str, Any] | None = _json(default=None)
    allowed_actions: list[str] = _json(default_factory=list)
    approval_id: str | None = None
    workflow_id: str
    created_at: datetime = _time()
    updated_at: datetime = _time()
    closed_at: datetime | None = _time(default=None)


class TimelineEvent(SQLModel, table=True):
    """Append-only (a trigger refuses UPDATE and DELETE); `key` makes a repeated append a no-op."""

    __tablename__ = "timeline"
    __table_args__ = (UniqueConstraint("operation_id", "key"),)
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    seq: int = Field(primary_key=True)
    key: str
    at: datetime = _time()
    actor: str
    event: str
    detail: dict[str, Any] = _json()
    prev_hash: str
    hash: str


class Intent(SQLModel, table=True):
    """ "We are about to do this to Stripe": written before the call, closed after it."""

    __tablename__ = "intents"
    __table_args__ = (
        UniqueConstraint("operation_id", "step", "version"),
        CheckConstraint("state IN ('open', 'done', 'refused')", name="intent_state"),
    )
    idempotency_key: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    operation_id: str = Field(foreign_key="operations.id", index=True)
    step: str
    version: int
    effect: str
    """What kind of effect it is, such as `subscription.update`."""
    params_hash: str
    state: str
    attempts: int = 0
    stripe_id: str | None = None
    stripe_request_id: str | None = None
    result: dict[str, Any] | None = _json(default=None)
    error: dict[str, Any] | None = _json(default=None)
    read_back: bool = False
    """Whether the outcome was learnt by reading Stripe rather than from the call's own answer."""
    created_at: datetime = _time()
    closed_at: datetime | None = _time(default=None)


class Approval(SQLModel, table=True):
    """A pending human decision, bound to a subject by its hash."""

    __tablename__ = "approvals"
    __table_args__ = (Index("ix_approvals_listing", "organization_id", "state"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    operation_id: str = Field(foreign_key="operations.id", index=True)
    kind: str
    round: int
    subject: dict[str, Any] = _json()
    subject_hash: str
    amount_minor: int | None = _minor(default=None)
    currency: str | None = None
    state: str
    rung: int = 0
    ladder: list[dict[str, Any]] = _json()
    """`billing.approval.Rung`s: roles, opens_at, remind_at, deadline, state."""
    deadline: datetime | None = _time(default=None)
    requested_by: str
    workflow_id: str
    opened_at: datetime = _time()
    closed_at: datetime | None = _time(default=None)
    decided_by: str | None = None


class Decision(SQLModel, table=True):
    """What a person decided. Written before it is passed to the workflow."""

    __tablename__ = "decisions"
    id: str = Field(primary_key=True)
    approval_id: str = Field(foreign_key="approvals.id", index=True)
    organization_id: str = Field(foreign_key="organizations.id")
    person_id: str = Field(foreign_key="people.id")
    decision: str
    comment: str | None = None
    subject_hash: str
    state: str = "pending"
    """pending, accepted or refused."""
    refusal: dict[str, Any] | None = _json(default=None)
    created_at: datetime = _time()
    settled_at: datetime | None = _time(default=None)


class Notice(SQLModel, table=True):
    """A message that Finance must acknowledge."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("operation_id", "kind"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    operation_id: str = Field(foreign_key="operations.id")
    kind: str
    subject: dict[str, Any] = _json()
    state: str
    """open, escalated or acknowledged."""
    deadline: datetime = _time()
    workflow_id: str
    created_at: datetime = _time()
    acknowledged_at: datetime | None = _time(default=None)
    acknowledged_by: str | None = None


class Outbox(SQLModel, table=True):
    """What Temporal must still be told: a workflow to start or an update to pass on."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_due",
            "next_attempt_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        UniqueConstraint("workflow_id", "name", "update_id"),
    )
    id: str = Field(primary_key=True)
    action: str
    """start or update."""
    workflow_id: str
    name: str
    """Workflow type for a start, update name for an update."""
    update_id: str = ""
    payload: dict[str, Any] = _json()
    state: str = "pending"
    """pending, delivered or refused."""
    attempts: int = 0
    error: str | None = None
    created_at: datetime = _time()
    next_attempt_at: datetime = _time()
    settled_at: datetime | None = _time(default=None)


class Mail(SQLModel, table=True):
    """A mail that the SMTP server took; its Message-ID makes a resend recognisable."""

    __tablename__ = "mails"
    message_id: str = Field(primary_key=True)
    operation_id: str = Field(foreign_key="operations.id", index=True)
    template: str
    recipient: str
    sent_at: datetime = _time()
