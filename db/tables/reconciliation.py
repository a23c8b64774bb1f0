"""The tables by which we know that our mirror is as Stripe: what was compared, what differed, what nobody of
us had asked for.

Amounts are integer minor units beside their currency; times are UTC.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from .columns import document, minor, utc


class StripeEventCheck(SQLModel, table=True):
    """Until when every event of Stripe's is known here: one row."""

    __tablename__ = "stripe_event_checks"
    __table_args__ = (CheckConstraint("id = 'account'", name="one_stripe_event_check"),)
    id: str = Field(primary_key=True)
    complete_until: datetime = utc()
    """By Stripe's clock: what happened before was listed, and is kept here."""
    checked_at: datetime = utc()
    """By ours: just before Stripe was asked."""
    missed: int = 0
    """Events that had not arrived, over all checks."""
    oldest_pending: datetime | None = utc(default=None)
    """When that event arrived which, at the last check, had waited longest to be followed."""
    moved_at: datetime | None = utc(default=None)
    """When that was another one than at the check before: the backlog shrinks."""


class MirrorWindow(SQLModel, table=True):
    """How far the newest objects of a list of Stripe's have been compared, one row a list.

    That of `events` says when all of them were, and what Stripe had told of by then.
    """

    __tablename__ = "mirror_windows"
    stage: str = Field(primary_key=True)
    newest: datetime | None = utc(default=None)
    """By Stripe's clock: when the newest of them was made."""
    compared_at: datetime = utc()
    """By ours."""


class Reconciliation(SQLModel, table=True):
    """A run that compares our mirror with Stripe."""

    __tablename__ = "reconciliations"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'completed', 'failed')", name="reconciliation_state"),
        CheckConstraint("scope IN ('all', 'recent', 'rolling')", name="reconciliation_scope"),
        Index("ix_reconciliations_listing", "started_at", "id"),
    )
    id: str = Field(primary_key=True)
    requested_by: str
    """A person's id, or `system` for the schedule's."""
    organization_id: str | None = Field(default=None, foreign_key="organizations.id")
    """Of who asked; None for the schedule's."""
    scope: str = "all"
    """Of `billing.mirror.reconciliation.RunScope`."""
    state: str = "running"
    stage: str
    """What it is comparing: events, plans, subscriptions, customers …"""
    counts: dict[str, Any] = document(default_factory=dict)
    """By organization and kind of object: how many were compared."""
    counted: str | None = None
    """The page that was counted last: one that is done again is counted once."""
    events_missed: int = 0
    """Events of Stripe's that had not arrived before it, of all organizations."""
    error: dict[str, Any] | None = document(default=None)
    """Why it failed: code and message."""
    workflow_id: str = Field(unique=True)
    """Of a rolling one, which many workflows carry out, a name of its own."""
    place: dict[str, Any] | None = document(default=None)
    """Of a rolling one: the `RollingPage` that is next."""
    pages: int = 0
    """Of a rolling one: how many are done."""
    started_at: datetime = utc()
    """When it began; until then, when it was asked for."""
    ended_at: datetime | None = utc(default=None)


class DifferenceRow(SQLModel, table=True):
    """An object that our mirror had otherwise than Stripe, and how that was corrected."""

    __tablename__ = "differences"
    __table_args__ = (
        UniqueConstraint("reconciliation_id", "object_kind", "object_id"),
        Index("ix_differences_listing", "organization_id", "found_at", "id"),
        CheckConstraint("correction IN ('added', 'overwritten', 'removed')", name="difference_correction"),
    )
    id: str = Field(primary_key=True)
    reconciliation_id: str = Field(foreign_key="reconciliations.id")
    organization_id: str = Field(foreign_key="organizations.id")
    object_kind: str
    """subscription, customer, invoice, payment, refund, credit_note or balance_transaction."""
    object_id: str
    fields: list[dict[str, Any]] = document()
    """Each with name, ours and stripe; none where our mirror had nothing."""
    since: datetime | None = utc(default=None)
    """When our mirror was last known to be right about it; None where it had nothing."""
    found_at: datetime = utc()
    correction: str
    """added, overwritten or removed."""


class Case(SQLModel, table=True):
    """What was given away or changed in Stripe itself: what its operation is about."""

    __tablename__ = "cases"
    __table_args__ = (
        UniqueConstraint("organization_id", "object_kind", "object_id"),
        Index("ix_cases_listing", "organization_id", "noticed_at", "operation_id"),
    )
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    organization_id: str = Field(foreign_key="organizations.id")
    object_kind: str
    """One of `billing.cases.case.CaseObject`."""
    object_id: str
    """Stripe's id, with what tells apart several changes of one object."""
    customer_id: str | None = None
    amount_minor: int | None = minor(default=None)
    currency: str | None = None
    owner: str | None = Field(default=None, foreign_key="people.id")
    """Who has taken it on: owes the note."""
    done_by: str | None = Field(default=None, foreign_key="people.id")
    """Who made it in Stripe, as far as somebody has said so: it counts in their authority."""
    noticed_at: datetime = utc()
    deadline: datetime = utc()
    """By when its note is due."""
    escalated_at: datetime | None = utc(default=None)
    closed_at: datetime | None = utc(default=None)
