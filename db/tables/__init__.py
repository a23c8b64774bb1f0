"""Every table. Stripe is the source of truth: rows hold what Stripe can't (who, why, approvals, notes)
and a mirror, with `synced_at`, of what it can.

Amounts are integer minor units beside their currency; times are UTC.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from .approvals import Approval, Decision, Delegation, Notice, ToldPerson
from .bill import OrganizationInvoice, Renewal
from .columns import Utc, document, minor, new_id, oldest_id, utc
from .evidence import HeadRow, RootRow, SigningKeyRow
from .incidents import (
    HealthCount,
    Hold,
    Incident,
    IncidentStep,
    Setback,
    StripeBudget,
    StripeEndpoint,
    WorkerTurn,
)
from .mirror import (
    AddOnRow,
    BalanceTransactionRow,
    CreditNoteRow,
    Customer,
    DiscountRow,
    DiscountUse,
    DisputeRow,
    Invoice,
    InvoiceLines,
    MoneyRow,
    PaymentRow,
    PlanRow,
    RefundRow,
)
from .operations import CommentRow, NoteRow, Operation, OperationObject, TimelineEvent
from .people import ApiKey, ChatWebhook, KeyUse, Organization, Pace, Person, RecordRead
from .portal import (
    CustomerErasure,
    CustomerMail,
    CustomerSettings,
    InvoicePdf,
    MailTemplate,
    PayLink,
    PaymentPromise,
    PortalAccess,
    PortalLink,
    PortalNetwork,
    PortalToken,
    PortalTrouble,
    ReminderPause,
)
from .reconciliation import Case, DifferenceRow, MirrorWindow, Reconciliation, StripeEventCheck
from .sign_in import ConsoleSession, PersonLink, PersonLinkToken, SignInAttempt

__all__ = [
    "AddOnRow",
    "ApiKey",
    "Approval",
    "BalanceTransactionRow",
    "Case",
    "ChatWebhook",
    "CommentRow",
    "Commitment",
    "ConsoleSession",
    "CreditNoteRow",
    "Customer",
    "CustomerErasure",
    "CustomerMail",
    "CustomerSettings",
    "Decision",
    "Delegation",
    "DifferenceRow",
    "DiscountRow",
    "DiscountUse",
    "DisputeRow",
    "HeadRow",
    "HealthCount",
    "Hold",
    "Incident",
    "IncidentStep",
    "Intent",
    "Invoice",
    "InvoiceLines",
    "InvoicePdf",
    "KeyUse",
    "Mail",
    "MailTemplate",
    "MirrorWindow",
    "MoneyRow",
    "NoteRow",
    "Notice",
    "Operation",
    "OperationObject",
    "Organization",
    "OrganizationInvoice",
    "Outbox",
    "Pace",
    "PayLink",
    "PaymentPromise",
    "PaymentRow",
    "Person",
    "PersonLink",
    "PersonLinkToken",
    "PlanRow",
    "PortalAccess",
    "PortalLink",
    "PortalNetwork",
    "PortalToken",
    "PortalTrouble",
    "Reconciliation",
    "RecordRead",
    "RefundRow",
    "ReminderPause",
    "Renewal",
    "RootRow",
    "Setback",
    "SignInAttempt",
    "SigningKeyRow",
    "StripeBudget",
    "StripeEndpoint",
    "StripeEvent",
    "StripeEventCheck",
    "TimelineEvent",
    "ToldPerson",
    "Utc",
    "WorkerTurn",
    "new_id",
    "oldest_id",
]


class Commitment(SQLModel, table=True):
    """Money set aside for an operation, of one payment where it is of one; held against authority."""

    __tablename__ = "commitments"
    __table_args__ = (
        Index("ix_commitments_person", "organization_id", "authority_of", "decided_at"),
        Index("ix_commitments_customer", "organization_id", "customer_id", "decided_at"),
        Index("ix_commitments_decided", "organization_id", "decided_at"),
    )
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    part: int = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    kind: str
    customer_id: str | None = None
    payment_intent: str | None = Field(default=None, index=True)
    amount_minor: int = minor()
    currency: str
    person_id: str | None = Field(default=None, foreign_key="people.id")
    """Who asked for it; None for what was made in Stripe itself."""
    authority_of: str | None = Field(default=None, foreign_key="people.id")
    """Whose authority it counts in; None while it awaits an approval, and where nobody has said who made it
    in Stripe itself."""
    decided_at: datetime | None = utc(default=None)
    released_at: datetime | None = utc(default=None)
    created_at: datetime = utc()
    invoice_id: str | None = Field(default=None, index=True)
    """The invoice of whose payment it is given back."""


class Intent(SQLModel, table=True):
    """ "We are about to do this to Stripe": written before the call, closed after it."""

    __tablename__ = "intents"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'done', 'refused')", name="intent_state"),
        Index("ix_intents_pace", "organization_id", "effect", "created_at"),
    )
    idempotency_key: str = Field(primary_key=True)
    """Made of the organization, operation, step and version. The one unique key: of two that insert at once,
    PostgreSQL refuses the later by whichever it checks first, and only this one means "find it instead"."""
    organization_id: str = Field(foreign_key="organizations.id")
    operation_id: str = Field(foreign_key="operations.id", index=True)
    step: str
    version: int
    effect: str
    """What kind of effect it is, such as `subscription.update`."""
    params_hash: str
    state: str
    attempts: int = 0
    stripe_id: str | None = Field(default=None, index=True)
    stripe_request_id: str | None = None
    result: dict[str, Any] | None = document(default=None)
    error: dict[str, Any] | None = document(default=None)
    read_back: bool = False
    """Whether the outcome was learnt by reading Stripe rather than from the call's own answer."""
    created_at: datetime = utc()
    closed_at: datetime | None = utc(default=None)
    target: str = ""
    """The Stripe id that the call goes to."""
    params: dict[str, Any] = document(default_factory=dict)


class Outbox(SQLModel, table=True):
    """What must still be sent: to Temporal a workflow's start, an update or a signal, to people a mail."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_due",
            "next_attempt_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_outbox_refused",
            "settled_at",
            sqlite_where=text("state = 'refused'"),
            postgresql_where=text("state = 'refused'"),
        ),
        UniqueConstraint("workflow_id", "name", "update_id"),
    )
    id: str = Field(primary_key=True)
    action: str
    """start, update, signal or mail."""
    workflow_id: str
    """Of a mail its own id."""
    name: str
    """Workflow type for a start, name of an update or signal, template of a mail."""
    update_id: str = ""
    payload: dict[str, Any] = document()
    found_by: dict[str, Any] | None = document(default=None)
    """Of an operation's start: by what Temporal finds it."""
    state: str = "pending"
    """pending, delivered or refused."""
    attempts: int = 0
    error: str | None = None
    created_at: datetime = utc()
    next_attempt_at: datetime = utc()
    settled_at: datetime | None = utc(default=None)
    traceparent: str | None = None
    """The trace that sending it goes on with, as W3C writes it; None where nothing is traced."""


class Mail(SQLModel, table=True):
    """A mail that the SMTP server took; its Message-ID makes a resend recognisable."""

    __tablename__ = "mails"
    message_id: str = Field(primary_key=True)
    operation_id: str = Field(foreign_key="operations.id", index=True)
    template: str
    recipient: str
    sent_at: datetime = utc()


class StripeEvent(SQLModel, table=True):
    """What Stripe has told us of, once for each event; it belongs to the account, not to an organization."""

    __tablename__ = "stripe_events"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'done', 'ignored', 'set_aside')", name="stripe_event_state"),
        Index(
            "ix_stripe_events_pending",
            "received_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_stripe_events_received", "received_at"),
        Index(
            "ix_stripe_events_set_aside",
            "object_id",
            sqlite_where=text("state = 'set_aside'"),
            postgresql_where=text("state = 'set_aside'"),
        ),
        Index(
            "ix_stripe_events_due",
            "again_at",
            sqlite_where=text("again_at IS NOT NULL"),
            postgresql_where=text("again_at IS NOT NULL"),
        ),
        Index(
            "ix_stripe_events_claimed",
            "claimed_until",
            sqlite_where=text("claimed_until IS NOT NULL"),
            postgresql_where=text("claimed_until IS NOT NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    type: str
    object_id: str | None = Field(default=None, index=True)
    livemode: bool
    created_at: datetime = utc()
    """When it happened, by Stripe's clock."""
    received_at: datetime = utc()
    state: str = "pending"
    """pending, done, ignored, or set_aside: it could not be followed, however often it was tried."""
    settled_at: datetime | None = utc(default=None)
    missed: bool = False
    """Whether it was found by asking Stripe for it, and not by its webhook."""
    tries: int = 0
    """How often it could not be followed, for a reason of its own."""
    error: str | None = None
    again_at: datetime | None = utc(default=None)
    """When it is followed next; None when no more."""
    claimed_until: datetime | None = utc(default=None)
    """Until when a worker has it, and its object, for itself; None while none does."""
    newcomer: bool = False
    """Whether it tells of a customer who was there before they became an organization's."""
    traceparent: str | None = None
    """The trace of the webhook that brought it."""
