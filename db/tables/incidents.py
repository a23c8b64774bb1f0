"""The tables of bad hours: incidents, what is held meanwhile, and by what they are noticed.

Times are UTC.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from .columns import document, utc


class Incident(SQLModel, table=True):
    """A degraded state of one component; it is open until `cleared_at`, which needs a note.

    degraded -> recovered -> cleared; one that is recovered can be degraded again. It is the account's, not
    an organization's.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        Index(
            "one_open_incident",
            "component",
            unique=True,
            sqlite_where=text("cleared_at IS NULL"),
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    component: str
    """Of `billing.incidents.states.Component`."""
    opened_at: datetime = utc()
    """When it was detected."""
    cleared_at: datetime | None = utc(default=None)
    first_fault_at: datetime | None = utc(default=None)
    """Of those by which it was detected."""
    alerted_at: datetime | None = utc(default=None)
    """When the first alert had gone out."""
    recovered_at: datetime | None = utc(default=None)
    """Since when it works again; None while it does not."""
    last_check_at: datetime | None = utc(default=None)
    cause: str | None = None
    """A code of what was seen: that of most faults, or of the probe."""
    note: str | None = None
    """What was done about it, in a person's words."""
    cleared_by: str | None = None
    cleared_in: str | None = None
    """The organization of who cleared it; the others don't see the note."""
    alerts: int = 0
    recoveries: int = 0
    """How often it was alerted and has recovered: its mails are numbered, also by a workflow that was
    started again."""


class IncidentStep(SQLModel, table=True):
    """A step of an incident's runbook that somebody has ticked off."""

    __tablename__ = "incident_steps"
    incident_id: str = Field(primary_key=True, foreign_key="incidents.id")
    number: int = Field(primary_key=True)
    """As the runbook counts, from 1."""
    organization_id: str = Field(foreign_key="organizations.id")
    """Of who did it; the others see that it was done."""
    done_by: str
    done_at: datetime = utc()
    comment: str | None = None


class Hold(SQLModel, table=True):
    """A workflow that waits for a degraded component; its operation is `held`.

    held -> released (it is to be told) -> resumed (it went on). One that does not resume is told again.
    """

    __tablename__ = "holds"
    __table_args__ = (
        Index(
            "ix_holds_waiting",
            "component",
            "held_at",
            "id",
            sqlite_where=text("resumed_at IS NULL"),
            postgresql_where=text("resumed_at IS NULL"),
        ),
        Index("ix_holds_operation", "operation_id"),
    )
    id: str = Field(primary_key=True)
    operation_id: str = Field(foreign_key="operations.id")
    organization_id: str = Field(foreign_key="organizations.id")
    workflow_id: str
    component: str
    state: str
    """The operation's, to be restored."""
    held_at: datetime = utc()
    released_at: datetime | None = utc(default=None)
    resumed_at: datetime | None = utc(default=None)
    """When its workflow went on, or was found not to run any more."""
    told_at: datetime | None = utc(default=None)
    """When whoever asked for the operation was told that it is held."""


class WorkerTurn(SQLModel, table=True):
    """When one of the workers last did what one of them is to do now and then."""

    __tablename__ = "worker_turns"
    name: str = Field(primary_key=True)
    taken_at: datetime = utc()


class HealthCount(SQLModel, table=True):
    """How calls to a component went, in one bucket of time, by all processes together."""

    __tablename__ = "health_counts"
    component: str = Field(primary_key=True)
    bucket: datetime = utc(primary_key=True)
    """Its beginning."""
    ok: int = 0
    faults: int = 0
    first_fault_at: datetime | None = utc(default=None)
    codes: dict[str, Any] = document(default_factory=dict)
    """How many faults of each code."""


class Setback(SQLModel, table=True):
    """A unit of a sweep that fails while the others go on: an organization, an object, a mail."""

    __tablename__ = "setbacks"
    sweep: str = Field(primary_key=True)
    unit: str = Field(primary_key=True)
    organization_id: str | None = None
    """Where it is known. No foreign key: a setback can always be noted."""
    error: str
    """What went wrong and where, without values."""
    tries: int = 1
    first_at: datetime = utc()
    last_at: datetime = utc()


class StripeEndpoint(SQLModel, table=True):
    """One endpoint's pace, shared by all workers. Times are seconds since 1970."""

    __tablename__ = "stripe_endpoints"
    endpoint: str = Field(primary_key=True)
    """Verb and path, `{id}` in place of ids."""
    next_at: float = 0.0
    """When the next request may be sent."""
    paused_until: float = 0.0
    refusals: int = 0
    """How often Stripe has refused it since it last answered."""


class StripeBudget(SQLModel, table=True):
    """The account's pace, shared by all workers: one row. The times of requests are seconds since 1970."""

    __tablename__ = "stripe_budgets"
    __table_args__ = (CheckConstraint("id = 'account'", name="one_stripe_budget"),)
    id: str = Field(primary_key=True)
    requests_per_second: float | None = None
    """An operator's, in place of the policy's."""
    set_by: str | None = None
    set_at: datetime | None = utc(default=None)
    slowed_to: float | None = None
    """After Stripe has answered 429, until it has grown back."""
    next_at: float = 0.0
    """When the next request may be sent."""
    taken: int = Field(default=0, sa_type=BigInteger)
    """How many slots were taken, ever: who has the last one sees whether others took some since."""
    paused_until: float = 0.0
    pause_reason: str | None = None
    """Stripe-Rate-Limited-Reason, or `retry-after`."""
    held_since: datetime | None = utc(default=None)
    """While an incident is open nothing is sent but probes and what `trial` names."""
    trial: str | None = None
    """The workflow that may try whether Stripe has recovered."""
    opened_by: str | None = None
    """Who last opened the gate by hand, whatever an incident says, and why."""
    opened_because: str | None = None
    opened_at: datetime | None = utc(default=None)
