"""The shapes of portal links, pay links, PDFs and customers' settings."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from db.portal.links import State

from ..http.models import Answer, Body, Moment, Reason

Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Source = Literal["settings", "stripe", "organization", "default"]


class LinkBody(Body):
    """Until when the link is good; left out, as long as the policy and the customer's approval cycle say."""

    expires_at: Moment | None = None


class RevokeBody(Body):
    reason: Reason = Field(description="Why nobody may get in by it any more")


class PortalLinkAnswer(Answer):
    """A customer's way to the page of an invoice. Its address is shown when it is issued, never again."""

    id: str
    invoice: str
    customer: str
    state: State
    reason: str = Field(description="issued, resent, reminder, asked or trouble")
    issued_by: str = Field(description="A person's id, `system` or `customer`")
    operation: str | None
    created_at: datetime
    expires_at: datetime
    opens: int
    first_opened_at: datetime | None
    last_opened_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    end_note: str | None = Field(description="Why it was revoked")


class IssuedLinkAnswer(PortalLinkAnswer):
    url: str = Field(description="Whoever has it sees the invoice; it can't be shown again")


class LinkMailAnswer(Answer):
    """The mail is sent at once, or as soon as the mail server takes it."""

    mail: str
    link: str
    state: Literal["due"]


class PayLinkAnswer(Answer):
    """Stripe's own page of the invoice, as it was read at `read_at`."""

    url: str
    read_at: datetime
    expires_at: datetime = Field(description="Until when it is good for certain")


class PdfAnswer(Answer):
    """The invoice as Stripe drew it. The same bytes fetched again are the same PDF."""

    id: str
    sha256: str
    size: int = Field(description="Bytes")
    fetched_at: datetime
    url: str = Field(description="Where it can be read here, with an API key")


class SettingsBody(Body):
    """What is left out stays; null unsets, so that Stripe's or the organization's value holds."""

    language: Text | None = Field(
        default=None,
        description="A language tag (BCP 47), such as de-AT, in whose language there are mails: German and "
        "English, and those of your own mail templates",
    )
    zone: Text | None = Field(default=None, description="The IANA name of a time zone")
    country: Text | None = Field(default=None, description="ISO 3166-1, for public holidays")
    subdivision: Text | None = Field(default=None, description="A part of the country, for its holidays")
    approval_cycle_days: int | None = Field(
        default=None, ge=1, le=366, description="How many days the customer takes to approve an invoice"
    )
    opted_out: bool | None = Field(default=None, description="true: no reminders are sent")
    bounced: Literal[False] | None = Field(
        default=None,
        description="false: the address that the mail server refused is right, and is written to again",
    )


class Effective(Answer):
    """The value that holds, and who says so; both are null where nobody does."""

    value: str | None
    source: Source | None


class BounceAnswer(Answer):
    """It no longer matters when Stripe has another address of the customer."""

    address: str
    at: datetime
    code: int | None


class LiftedAnswer(Answer):
    """When a refused address was last allowed again."""

    at: datetime
    by: str = Field(description="A person's id, or `system`")
    why: Literal["person", "mail_taken", "server_refused_everybody"]


class SettingsAnswer(Answer):
    """How the customer is written to."""

    customer: str
    language: Effective
    zone: Effective
    country: Effective
    subdivision: Effective
    approval_cycle_days: int | None
    opted_out: bool
    opted_out_at: datetime | None
    opted_out_by: str | None = Field(description="`customer`, or a person's id")
    bounced: BounceAnswer | None
    bounce_lifted: LiftedAnswer | None
    updated_at: datetime | None
    updated_by: str | None
