"""The tables of what holds evidence from outside: daily roots, the heads that they stand for, public keys.

All of it is append-only (triggers refuse UPDATE and DELETE), and none of it is trusted: who checks compares
with what was given out.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from .columns import document, utc


class RootRow(SQLModel, table=True):
    """A day's root."""

    __tablename__ = "evidence_roots"
    __table_args__ = (UniqueConstraint("organization_id", "day"),)
    organization_id: str = Field(primary_key=True, foreign_key="organizations.id")
    number: int = Field(primary_key=True)
    day: date
    sealed_at: datetime = utc()
    root: dict[str, Any] = document()
    """`billing.evidence.seals.roots.SignedRoot`, as it was signed."""


class HeadRow(SQLModel, table=True):
    """How far an operation had come at a root: `billing.evidence.seals.roots.SealedHead`.

    `operation_id` is no foreign key: of what was removed, it says that it was there.
    """

    __tablename__ = "sealed_heads"
    __table_args__ = (Index("ix_sealed_heads_root", "organization_id", "number", "operation_id"),)
    operation_id: str = Field(primary_key=True)
    events: int = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    number: int
    """Of the root."""
    head: str
    approvals: int
    decisions: int
    intents: int


class SigningKeyRow(SQLModel, table=True):
    """A public key that roots were signed with; kept for good."""

    __tablename__ = "signing_keys"
    id: str = Field(primary_key=True)
    x: str
    """Its 32 bytes, in base64url."""
    first_used_at: datetime = utc()
