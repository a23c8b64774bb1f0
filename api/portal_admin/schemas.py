"""The shapes of portal links, pay links, PDFs and customers' settings."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from db.portal.links import LinkSort, State

from ..http.models import DOWNWARDS, Answer, Body, Moment, Query, Reason

Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Source = Literal["settings", "stripe", "organization", "default"]


class LinkBody(Body):
    """When the link expires; by default, as the policy and the customer's approval cycle determine."""

    expires_at: Moment | None = None


class RevokeBody(Body):
    reason: Reason = Field(description="Why the link is revoked")


class PortalLinksQuery(Query):
    sort: LinkSort = Field(default="-created_at", description=DOWNWARDS)


class PortalLinkAnswer(Answer):
    """A link to an invoice's page for the customer. Its address is shown only when it is issued."""

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
    url: str = Field(description="Anybody with this address can see the invoice; it is not shown again")


class LinkMailAnswer(Answer):
    """The mail is sent immediately, or as soon as the mail server accepts it."""

    mail: str
    link: str
    state: Literal["due"]


class PayLinkAnswer(Answer):
    """Stripe's own page for the invoice, read at `read_at`."""

    url: str
    read_at: datetime
    expires_at: datetime = Field(description="The time until which it is guaranteed to work")


class PdfAnswer(Answer):
    """The invoice as Stripe rendered it. Fetching identical content again returns the same PDF."""

    id: str
    sha256: str
    size: int = Field(description="Bytes")
    fetched_at: datetime
    url: str = Field(description="Where to download it, with an API key")


class SettingsBody(Body):
    """Omitted fields do not change. null clears a field, so that Stripe's or the organization's value
    applies.
    """

    language: Text | None = Field(
        default=None,
        description="A language tag (BCP 47), such as de-AT. Mails exist in German, in English and in the "
        "languages of your own mail templates",
    )
    zone: Text | None = Field(default=None, description="The IANA name of a time zone")
    country: Text | None = Field(default=None, description="ISO 3166-1, for public holidays")
    subdivision: Text | None = Field(default=None, description="ISO 3166-2, for regional holidays")
    approval_cycle_days: int | None = Field(
        default=None, ge=1, le=366, description="How many days the customer takes to approve an invoice"
    )
    opted_out: bool | None = Field(default=None, description="true: no reminders are sent")
    bounced: Literal[False] | None = Field(
        default=None,
        description="false: the address that the mail server refused is correct; send mail to it again",
    )


class Effective(Answer):
    """The value in effect and its source; both are null where no value is set."""

    value: str | None
    source: Source | None


class BounceAnswer(Answer):
    """It no longer applies when the customer has another address in Stripe."""

    address: str
    at: datetime
    code: int | None


class LiftedAnswer(Answer):
    """When a refused address was last allowed again."""

    at: datetime
    by: str = Field(description="A person's id, or `system`")
    why: Literal["person", "mail_taken", "server_refused_everybody"]


class SettingsAnswer(Answer):
    """How mail to the customer is written and sent."""

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
