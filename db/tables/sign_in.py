"""The tables of sign-in to the console: links, and sessions, which they or a provider open. Times are UTC."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel

from .columns import document, utc


class PersonLink(SQLModel, table=True):
    """A way in for one person that works once, until `expires_at`: into the console or, where it names an
    approval, to the decision on that round of it and nowhere else."""

    __tablename__ = "person_links"
    __table_args__ = (
        # Both at once, as of an API key: a link never lets a person into another organization than their own.
        ForeignKeyConstraint(["person_id", "organization_id"], ["people.id", "people.organization_id"]),
        CheckConstraint("how IN ('mail', 'operator', 'decision')", name="person_link_how"),
        CheckConstraint("(how = 'decision') = (approval_id IS NOT NULL)", name="person_link_decides"),
        Index("ix_person_links_person", "person_id", "created_at"),
    )
    id: str = Field(primary_key=True)
    organization_id: str
    person_id: str
    how: str
    """mail: whoever has the person's address asked for it; operator: somebody made it by a command; decision:
    the mail that asks the person to decide has it."""
    issued_by: str
    """The person's id, the operator's name, or ours."""
    because: str | None = None
    """The operator's reason."""
    address: str | None = None
    """The network that it was asked for from, as `db.people.key_uses.place_of` has it."""
    next: str | None = None
    """The page of the console that it was asked for on."""
    created_at: datetime = utc()
    expires_at: datetime = utc()
    used_at: datetime | None = utc(default=None)
    approval_id: str | None = Field(default=None, foreign_key="approvals.id")
    subject_hash: str | None = None
    """Of what the person is asked to approve."""


class PersonLinkToken(SQLModel, table=True):
    """What stands in a link's address; only its hash (`billing.core.keys`) is kept.

    Every attempt at a mail carries a token of its own, and any of them uses up the link.
    """

    __tablename__ = "person_link_tokens"
    token_hash: str = Field(primary_key=True)
    link_id: str = Field(foreign_key="person_links.id", index=True)
    created_at: datetime = utc()


class ConsoleSession(SQLModel, table=True):
    """A browser in which a person is signed in. Only the hash of its cookie's secret is kept."""

    __tablename__ = "console_sessions"
    __table_args__ = (
        ForeignKeyConstraint(["person_id", "organization_id"], ["people.id", "people.organization_id"]),
        CheckConstraint("how IN ('oidc', 'mail', 'operator')", name="console_session_how"),
        Index("ix_console_sessions_listing", "organization_id", "person_id", "id"),
    )
    id: str = Field(primary_key=True)
    organization_id: str
    person_id: str
    secret_hash: str = Field(unique=True)
    how: str
    """oidc, or what link it was: mail or operator."""
    address: str
    """The visitor's IP address at sign-in, as far as trusted proxies tell."""
    user_agent: str | None = None
    """The browser's User-Agent, cut."""
    created_at: datetime = utc()
    last_seen_at: datetime = utc()
    """Written at most once a minute."""
    expires_at: datetime = utc()
    """When it ends, however much it is used."""
    revoked_at: datetime | None = utc(default=None)
    revoked_by: str | None = None
    """A person's id; their own where they signed out."""
    roles: list[str] | None = document(default=None)
    """What the provider granted at sign-in: no role beyond these. None: those of the records."""


class SignInAttempt(SQLModel, table=True):
    """Somebody was sent to the provider of single sign-on, and may come back once with its answer."""

    __tablename__ = "sign_in_attempts"
    state_hash: str = Field(primary_key=True)
    browser_hash: str = Field(unique=True)
    """Of the secret that the browser has in a cookie, of which nonce and code verifier are made."""
    next: str | None = None
    created_at: datetime = utc()
    expires_at: datetime = utc()
    returned_at: datetime | None = utc(default=None)
    people: list[str] | None = document(default=None)
    """As whom they may come in, where there are several."""
    roles: list[str] | None = document(default=None)
    """As of the session that it becomes."""
    chosen_at: datetime | None = utc(default=None)
