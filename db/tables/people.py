"""The tables of organizations, their people and their API keys. Times are UTC."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from .columns import document, utc


class Organization(SQLModel, table=True):
    """A tenant: subscribes to a plan, has people and customers."""

    __tablename__ = "organizations"
    __table_args__ = (
        UniqueConstraint("stripe_customer"),
        UniqueConstraint("stripe_subscription"),
        Index(
            "ix_organizations_renewal_due",
            "renewal_due_at",
            sqlite_where=text("renewal_due_at IS NOT NULL"),
            postgresql_where=text("renewal_due_at IS NOT NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    name: str
    zone: str
    country: str
    subdivision: str | None = None
    stripe_customer: str
    stripe_subscription: str
    subscription: dict[str, Any] | None = document(default=None)
    limits_told: dict[str, int] | None = document(default=None)
    """How many percent of each limit of the plan its admins were told are in use."""
    """Mirror of the Stripe subscription: plan, price, seats, interval, period_start, period_end, status."""
    synced_at: datetime | None = utc(default=None)
    renewal_due_at: datetime | None = utc(default=None)
    """When its next invoice is to be read from Stripe again; None while nothing has changed."""
    created_at: datetime = utc()


class ChatWebhook(SQLModel, table=True):
    """An incoming webhook of an organization's chat. Its `url` is a secret: whoever has it posts there."""

    __tablename__ = "chat_webhooks"
    __table_args__ = (
        UniqueConstraint("organization_id", "url"),
        CheckConstraint("kind IN ('slack', 'teams')", name="chat_webhook_kind"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    kind: str
    url: str = Field(repr=False)
    created_at: datetime = utc()
    disabled_at: datetime | None = utc(default=None)
    refused_with: int | None = None
    """The HTTP status with which it refused a message for good."""


class Person(SQLModel, table=True):
    """Somebody who uses Plixo for an organization; an active person uses one seat."""

    __tablename__ = "people"
    __table_args__ = (
        UniqueConstraint("organization_id", "email"),
        UniqueConstraint("organization_id", "subject"),
        Index("ix_people_subject", "subject"),
        UniqueConstraint("id", "organization_id"),  # for what names a person together with their organization
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    name: str
    email: str
    roles: list[str] = document()
    active: bool = True
    created_at: datetime = utc()
    subject: str | None = None
    """What the provider of single sign-on calls them (`sub`); None: they are found by their address."""
    zone: str | None = None
    """The IANA time zone in which they read times; None: the organization's."""


class ApiKey(SQLModel, table=True):
    """Only the prefix and a hash of the secret (`billing.core.keys`) are kept."""

    __tablename__ = "api_keys"
    __table_args__ = (
        # Both at once: a key never lets a person into another organization than their own.
        ForeignKeyConstraint(["person_id", "organization_id"], ["people.id", "people.organization_id"]),
        CheckConstraint("origin IN ('issued', 'file')", name="api_key_origin"),
    )
    prefix: str = Field(primary_key=True)
    secret_hash: str
    person_id: str = Field(index=True)
    organization_id: str
    created_at: datetime = utc()
    expires_at: datetime | None = utc(default=None)
    revoked_at: datetime | None = utc(default=None)
    origin: str = "issued"
    """issued: made here and shown once; file: taken over from provisioning's file, and revoked when it is no
    longer there."""
    name: str | None = None
    """What its person calls it; None: it came by provisioning."""
    created_by: str | None = None
    """The person who made it; None: provisioning did."""
    made_with: str | None = None
    """The key by which its maker called, and with which it ends; None: they were signed in, or it came by
    provisioning."""
    scopes: list[str] = document()
    """What it may be used for: read, write, decide."""
    replaced_by: str | None = None
    """The key that was made in its place, while it goes on working until `expires_at`."""
    revoked_by: str | None = None
    """The person who revoked it, for good; None: provisioning did, and may have it work again."""


class KeyUse(SQLModel, table=True):
    """Where an API key was tried from, in ten minutes: an audit log, and what wrong keys are counted by."""

    __tablename__ = "key_uses"
    __table_args__ = (Index("ix_key_uses_address", "address", "window_start"),)
    prefix: str = Field(primary_key=True)
    """As it was sent: perhaps of no key that there is."""
    window_start: datetime = utc(primary_key=True)
    address: str = Field(primary_key=True)
    wrong: int = 0
    """How often the secret was not the key's."""
    accepted: bool = False
    """Whether it was the key's as well."""
    last_at: datetime = utc()


class Pace(SQLModel, table=True):
    """How far something that is limited is ahead of its pace, over all processes: `db.core.paces`."""

    __tablename__ = "paces"
    name: str = Field(primary_key=True)
    spread_until: float
    """Seconds since 1970."""


class RecordRead(SQLModel, table=True):
    """Somebody read evidence, or took rows with them as a file."""

    __tablename__ = "record_reads"
    __table_args__ = (
        CheckConstraint("what IN ('evidence', 'file')", name="record_read_what"),
        Index("ix_record_reads_listing", "organization_id", "person_id", "id"),
        Index("ix_record_reads_at", "at"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    person_id: str
    at: datetime = utc()
    what: str
    path: str
    query: str
    """How it was filtered, without what was searched for."""
    key: str | None = None
    """The prefix of the API key by which it was asked for."""
    session_id: str | None = None
    """The session of the console in which it was; neither: an access token."""
    address: str
    request_id: str
