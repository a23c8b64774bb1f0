"""The tables of what people decide: approvals, delegations, notices."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from .columns import document, minor, utc


class Approval(SQLModel, table=True):
    """A pending human decision, bound to a subject by its hash."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("ix_approvals_listing", "organization_id", "state"),
        Index("ix_approvals_closed", "organization_id", "kind", "closed_at"),
        Index("ix_approvals_deadline", "organization_id", "deadline", "id"),
        Index(
            "ix_approvals_open",
            "deadline",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    operation_id: str = Field(foreign_key="operations.id", index=True)
    kind: str
    round: int
    subject: dict[str, Any] = document()
    subject_hash: str
    amount_minor: int | None = minor(default=None)
    currency: str | None = None
    state: str
    rung: int = 0
    ladder: list[dict[str, Any]] = document()
    """`billing.approvals.ladder.Rung`s: roles, opens_at, remind_at, deadline, state."""
    deadline: datetime | None = utc(default=None)
    requested_by: str
    opened_at: datetime = utc()
    closed_at: datetime | None = utc(default=None)
    decided_by: str | None = None
    authority: dict[str, Any] | None = document(default=None)
    """`billing.policy.policy.AuthorityLimit`s by role; None where no amount is held against an authority."""
    counted: list[str] = document(default_factory=list)
    """The kinds of operation whose amounts count in the windows of authority."""
    customer_id: str | None = None
    """Who gets the money, for the windows by customer."""
    signatures: list[dict[str, Any]] = document(default_factory=list)
    """Who has approved so far where somebody of each role has to: person, role, at, for_person."""
    reason: str | None = None
    """What the requester gave."""
    rule: str | None = None
    """Why it is asked at all."""
    authors: list[dict[str, Any]] = document(default_factory=list)
    """`billing.approvals.authorship.Author`s: who had shaped the subject when approvers were asked."""
    revised: dict[str, Any] | None = document(default=None)
    """A `billing.approvals.messages.RevisionSummary`; None where nobody revised the request."""
    since: dict[str, Any] | None = document(default=None)
    """`billing.approvals.subject_changes.SinceLastRound`: what is new in this round, and why there is one."""


class Decision(SQLModel, table=True):
    """What a person decided, in the transaction that settles it."""

    __tablename__ = "decisions"
    id: str = Field(primary_key=True)
    approval_id: str = Field(foreign_key="approvals.id", index=True)
    organization_id: str = Field(foreign_key="organizations.id")
    person_id: str = Field(foreign_key="people.id")
    decision: str
    comment: str | None = None
    subject_hash: str
    decided_at: datetime = utc()
    for_person: str | None = None
    """Whom the person decided for, as their delegate."""
    mark: str = ""
    """What nobody can make who has only the database: `billing.approvals.marks`."""


class Delegation(SQLModel, table=True):
    """Somebody decides for somebody else, from `starts_at` until before `ends_at`, once they have agreed."""

    __tablename__ = "delegations"
    __table_args__ = (
        Index("ix_delegations_listing", "organization_id", "id"),
        Index("ix_delegations_active", "organization_id", "ends_at"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    from_person: str = Field(foreign_key="people.id")
    to_person: str = Field(foreign_key="people.id")
    role: str | None = None
    """The role that is lent; None for all that the delegator has."""
    approval_id: str | None = None
    """The only approval that it is for; None for every one."""
    starts_at: datetime = utc()
    ends_at: datetime = utc()
    reason: str
    created_by: str
    created_at: datetime = utc()
    revoked_at: datetime | None = utc(default=None)
    revoked_by: str | None = None
    accepted_at: datetime | None = utc(default=None)
    """When the delegate agreed; until then it is in force for nobody."""
    declined_at: datetime | None = utc(default=None)


class Notice(SQLModel, table=True):
    """A message that Finance must acknowledge."""

    __tablename__ = "notices"
    __table_args__ = (
        Index(
            "ix_notices_late",
            "deadline",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    operation_id: str = Field(foreign_key="operations.id", index=True)
    kind: str
    subject: dict[str, Any] = document()
    state: str
    """open, escalated, acknowledged or superseded."""
    deadline: datetime = utc()
    created_at: datetime = utc()
    acknowledged_at: datetime | None = utc(default=None)
    acknowledged_by: str | None = None
    superseded_at: datetime | None = utc(default=None)
    superseded_because: str | None = None
    """Why nobody has to acknowledge it any more, in a sentence."""
    superseded_by: str | None = None
    """The notice that replaces it; None where the operation has ended."""


class ToldPerson(SQLModel, table=True):
    """Somebody was told of an approval, a notice or an operation, and so is told how it ended.

    Written before the mail is sent: whoever closes what it is about finds everybody who hears of it.
    """

    __tablename__ = "told_people"
    about: str = Field(primary_key=True)
    """The approval's, notice's or operation's id."""
    person_id: str = Field(primary_key=True, foreign_key="people.id")
    operation_id: str = Field(foreign_key="operations.id", index=True)
    organization_id: str = Field(foreign_key="organizations.id")
    template: str
    """The first mail that said so."""
    told_at: datetime = utc()
