"""The tables of the mini-portal: links and who used them, who may come from where, what customers are sent.

Amounts are integer minor units beside their currency; times are UTC.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from .columns import minor, utc


class PortalLink(SQLModel, table=True):
    """A customer's way to the page of one invoice, which it may see until `expires_at`.

    An invoice has at most one that was not ended: issuing another ends it.
    """

    __tablename__ = "portal_links"
    __table_args__ = (
        Index(
            "one_live_portal_link",
            "invoice_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_portal_links_invoice", "invoice_id", "created_at"),
        CheckConstraint("end_reason IN ('revoked', 'replaced')", name="portal_link_end_reason"),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str = Field(index=True)
    invoice_id: str
    issued_by: str
    """A person's id, `system` or `customer`."""
    reason: str
    """issued, resent, reminder, asked or trouble."""
    operation_id: str | None = None
    """What issued it, where an operation did."""
    created_at: datetime = utc()
    expires_at: datetime = utc()
    opens: int = 0
    first_opened_at: datetime | None = utc(default=None)
    last_opened_at: datetime | None = utc(default=None)
    ended_at: datetime | None = utc(default=None)
    ended_by: str | None = None
    end_reason: str | None = None
    end_note: str | None = None
    """Why it was revoked, in the words of who did."""


class PortalToken(SQLModel, table=True):
    """What stands in a link's address; only its SHA-256 is kept.

    Every mail carries a token of its own: the earlier ones of the same link go on working.
    """

    __tablename__ = "portal_tokens"
    token_hash: str = Field(primary_key=True)
    link_id: str = Field(foreign_key="portal_links.id", index=True)
    mail_id: str | None = None
    created_at: datetime = utc()


class PortalAccess(SQLModel, table=True):
    """Somebody was at an invoice's page, or tried to be."""

    __tablename__ = "portal_accesses"
    __table_args__ = (
        Index("ix_portal_accesses_invoice", "invoice_id", "at"),
        Index("ix_portal_accesses_address", "address", "at"),
        Index(
            "ix_portal_accesses_traced",
            "at",
            sqlite_where=text("address <> ''"),
            postgresql_where=text("address <> ''"),
        ),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str
    invoice_id: str
    link_id: str = Field(foreign_key="portal_links.id")
    at: datetime = utc()
    address: str
    """The visitor's IP address, as far as trusted proxies tell; empty once it was forgotten."""
    outcome: str
    """opened, paying, pdf, opted_out, account, promised; expired, revoked, replaced, blocked, unavailable;
    asked, limited."""
    agent: str | None = None
    """The browser's User-Agent, cut."""


class PortalNetwork(SQLModel, table=True):
    """Addresses from which an organization's customers, or one of them, may or may not open links."""

    __tablename__ = "portal_networks"
    __table_args__ = (CheckConstraint("action IN ('allow', 'block')", name="portal_network_action"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    customer_id: str | None = None
    """None: it holds for every customer."""
    action: str
    network: str
    """In CIDR notation, such as 192.0.2.0/24."""
    reason: str
    created_by: str
    created_at: datetime = utc()
    removed_at: datetime | None = utc(default=None)
    removed_by: str | None = None


class PortalTrouble(SQLModel, table=True):
    """A customer can't open an invoice: what its operation is about, and on which clock.

    An invoice has at most one that is not closed.
    """

    __tablename__ = "portal_troubles"
    __table_args__ = (
        Index(
            "one_open_portal_trouble",
            "invoice_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_portal_troubles_listing", "organization_id", "noticed_at"),
    )
    operation_id: str = Field(primary_key=True, foreign_key="operations.id")
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str
    invoice_id: str
    cause: str
    """asked (the customer), failures (repeated) or reported (by an admin)."""
    noticed_at: datetime = utc()
    deadline: datetime = utc()
    """The end of the business day."""
    escalated_at: datetime | None = utc(default=None)
    closed_at: datetime | None = utc(default=None)
    how: str | None = None
    """got_in, paid, not_payable or closed (by a person)."""


class InvoicePdf(SQLModel, table=True):
    """An invoice's PDF as Stripe drew it at `fetched_at`; we serve what we kept."""

    __tablename__ = "invoice_pdfs"
    __table_args__ = (Index("ix_invoice_pdfs_invoice", "invoice_id", "fetched_at"),)
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    invoice_id: str
    sha256: str
    size: int
    """Bytes."""
    content: bytes = Field(sa_type=LargeBinary)
    fetched_at: datetime = utc()
    requested_by: str


class PayLink(SQLModel, table=True):
    """Stripe's own address was handed out; not the address itself, which is a secret, but until when it is
    good."""

    __tablename__ = "pay_links"
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    invoice_id: str = Field(index=True)
    requested_by: str
    read_at: datetime = utc()
    expires_at: datetime = utc()


class CustomerSettings(SQLModel, table=True):
    """What we know of a customer beside Stripe: how long they take to approve, where and how to write.

    Without a row, or where a column is NULL, Stripe's and then the organization's values hold.
    """

    __tablename__ = "customer_settings"
    customer_id: str = Field(primary_key=True, foreign_key="customers.id")
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    language: str | None = None
    """A language tag (BCP 47), such as de-AT."""
    zone: str | None = None
    country: str | None = None
    subdivision: str | None = None
    approval_cycle_days: int | None = None
    """How many days the customer takes to approve an invoice."""
    opted_out_at: datetime | None = utc(default=None)
    opted_out_by: str | None = None
    """`customer`, or a person's id."""
    bounced_at: datetime | None = utc(default=None)
    bounced_address: str | None = None
    """The address that the mail server refused for good; another one in Stripe is tried again."""
    bounce_code: int | None = None
    updated_at: datetime = utc()
    updated_by: str
    bounce_lifted_at: datetime | None = utc(default=None)
    bounce_lifted_by: str | None = None
    """A person's id, or `system`."""
    bounce_lifted_why: str | None = None
    """person, mail_taken or server_refused_everybody."""


class CustomerErasure(SQLModel, table=True):
    """A customer's personal data was erased, once and for good: who did so, when and why."""

    __tablename__ = "customer_erasures"
    customer_id: str = Field(primary_key=True, foreign_key="customers.id")
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    erased_at: datetime = utc()
    erased_by: str
    """A person's id, or `system` where a backup was restored."""
    reason: str


class ReminderPause(SQLModel, table=True):
    """An invoice about which its customer is not reminded, for now (`until` None: until it is taken away)."""

    __tablename__ = "reminder_pauses"
    invoice_id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", index=True)
    until: date | None = None
    reason: str
    paused_by: str
    paused_at: datetime = utc()


class PaymentPromise(SQLModel, table=True):
    """A customer said by which day they will pay an invoice. The last promise of an invoice stands.

    None -> kept (paid) | broken (the day passed) | over (void or written off); or another replaced it.
    """

    __tablename__ = "payment_promises"
    __table_args__ = (
        CheckConstraint("outcome IN ('kept', 'broken', 'over')", name="payment_promise_outcome"),
        Index("ix_payment_promises_invoice", "invoice_id", "promised_at"),
        Index(
            "one_standing_promise",
            "invoice_id",
            unique=True,
            sqlite_where=text("replaced_at IS NULL"),
            postgresql_where=text("replaced_at IS NULL"),
        ),
        Index(
            "ix_payment_promises_open",
            "organization_id",
            "invoice_id",
            sqlite_where=text("replaced_at IS NULL AND outcome IS NULL"),
            postgresql_where=text("replaced_at IS NULL AND outcome IS NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str
    invoice_id: str
    link_id: str = Field(foreign_key="portal_links.id")
    """By which they got in."""
    day: date
    """Where the customer is."""
    ends_at: datetime = utc()
    """When that day is over there."""
    word: str | None = None
    """What they said besides."""
    amount_minor: int = minor()
    """What was unpaid when they promised it."""
    currency: str
    promised_at: datetime = utc()
    replaced_at: datetime | None = utc(default=None)
    outcome: str | None = None
    settled_at: datetime | None = utc(default=None)


class CustomerMail(SQLModel, table=True):
    """A mail to a customer about an invoice, as it was decided: once for each step, whatever happens.

    held -> due | skipped;  due -> sent | bounced | skipped. A dry run's rows name it in `dry_run` and are
    never sent.
    """

    __tablename__ = "customer_mails"
    __table_args__ = (
        UniqueConstraint("dry_run", "invoice_id", "step"),
        CheckConstraint("state IN ('held', 'due', 'sent', 'skipped', 'bounced')", name="customer_mail_state"),
        Index("ix_customer_mails_invoice", "invoice_id", "decided_at"),
        Index("ix_customer_mails_customer", "customer_id", "decided_at", "id"),
        Index("ix_customer_mails_run", "operation_id", "state"),
        Index(
            "ix_customer_mails_due",
            "due_at",
            sqlite_where=text("state = 'due' AND dry_run = ''"),
            postgresql_where=text("state = 'due' AND dry_run = ''"),
        ),
        Index(
            "ix_customer_mails_bounced",
            "settled_at",
            sqlite_where=text("state = 'bounced'"),
            postgresql_where=text("state = 'bounced'"),
        ),
        Index(
            "ix_customer_mails_open",
            "organization_id",
            "due_at",
            sqlite_where=text("state IN ('held', 'due') AND dry_run = ''"),
            postgresql_where=text("state IN ('held', 'due') AND dry_run = ''"),
        ),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    customer_id: str
    invoice_id: str
    step: str
    """Of a reminder its step, such as due-7d, or `asked:` with what asked for it; of any other mail something
    that is never repeated."""
    dry_run: str = ""
    """The operation whose dry run it is of."""
    template: str
    """reminder or portal_link."""
    operation_id: str | None = None
    """The run that decided it last, or the operation that wants it sent."""
    asked_by: str | None = None
    """The person who asked for it by hand."""
    state: str
    reason: str
    """Why it is in this state: a code."""
    amount_minor: int = minor()
    """What was unpaid at the decision."""
    currency: str
    decided_at: datetime = utc()
    due_at: datetime = utc()
    """When it may be sent: held until then, or tried again."""
    claimed_until: datetime | None = utc(default=None)
    """Somebody is sending it; after this they have died."""
    attempts: int = 0
    link_id: str | None = None
    address: str | None = None
    """Where it went."""
    smtp_code: int | None = None
    settled_at: datetime | None = utc(default=None)


class MailTemplate(SQLModel, table=True):
    """A version of an organization's own words for a mail to its customers, in one language.

    draft -> approved -> retired, or draft -> retired. Of a mail and language at most one is a draft and one
    approved; a version is never changed, and never approved by who wrote it.
    """

    __tablename__ = "mail_templates"
    __table_args__ = (
        UniqueConstraint("organization_id", "name", "language", "version"),
        CheckConstraint("state IN ('draft', 'approved', 'retired')", name="mail_template_state"),
        CheckConstraint("approved_by <> written_by", name="mail_template_second_person"),
        CheckConstraint("state <> 'approved' OR approved_by IS NOT NULL", name="mail_template_approved_by"),
        Index(
            "one_mail_template_in_a_state",
            "organization_id",
            "name",
            "language",
            "state",
            unique=True,
            sqlite_where=text("state <> 'retired'"),
            postgresql_where=text("state <> 'retired'"),
        ),
    )
    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    name: str
    language: str
    """A language tag; `*` for any."""
    version: int
    """From 1 on, in each language of each mail."""
    state: str
    subject: str
    text: str
    html: str | None = None
    written_by: str
    written_at: datetime = utc()
    approved_by: str | None = None
    approved_at: datetime | None = utc(default=None)
    retired_by: str | None = None
    """Who wrote, approved or deleted what took its place."""
    retired_at: datetime | None = utc(default=None)
