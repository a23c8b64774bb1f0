"""Trouble with the mini-portal: a customer can't open an invoice. Messages between API and workflow."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, PlainSerializer

from ..core.business_time import end_of_business_day
from ..core.operations import Message, Payload
from ..policy.policy import Policy
from ..policy.portal import PortalPolicy
from .diagnosis import Action, Code

Cause = Literal["asked", "failures", "reported"]
"""The customer asked for a new link, their visits failed repeatedly, or an admin was told."""

How = Literal["got_in", "paid", "not_payable", "closed"]
"""The customer opened the page, the invoice was paid or needs no paying, or a person closed it."""

WITHOUT_NEED = frozenset({"paid", "void"})
"""An invoice that is at one of these needs no way in for anybody to pay it; one that was written off as
uncollectible can still be paid."""


class TroubleWanted(Message):
    """What was noticed: an operation's request."""

    invoice: str
    customer: str
    cause: Cause
    description: str | None = None


class PortalAccessInput(Message):
    """One trouble, from the moment it is noticed until the customer is in, at best by `deadline`."""

    organization: str
    operation: str
    invoice: str
    customer: str
    cause: Cause
    reported_by: str
    """A person's id, or `customer`."""
    comment: str | None = None
    policy: Policy
    noticed_at: AwareDatetime
    deadline: AwareDatetime
    so_far: "SoFar | None" = None
    """Where an earlier execution of it was."""


Instant = Annotated[AwareDatetime, PlainSerializer(datetime.isoformat, when_used="json")]
"""Ends in digits as JSON, as in `2026-03-02T15:00:00+00:00`."""


class AccessTroubleSubject(Payload):
    """What is known of a customer who can't open an invoice: why, and what fixes it."""

    about: Literal["portal_access"] = "portal_access"
    invoice: str
    invoice_number: str | None
    customer: str
    cause: Cause
    description: str | None
    noticed_at: Instant
    deadline: Instant
    found: tuple[Code, ...]
    since: Instant | None
    words: str
    action: Action | None
    new_link: bool
    """Whether a new link by mail fixes it, which then was sent."""


class AccessTroubleResult(Payload):
    """How a trouble ended."""

    about: Literal["portal_access"] = "portal_access"
    how: How
    solved_at: Instant
    within_same_business_day: bool
    minutes: int
    """From when it was noticed."""


class SoFar(Message):
    """What has been done about a trouble."""

    subject: AccessTroubleSubject
    escalated: bool = False
    missed: int = 0
    """How often it was said that the deadline was missed."""
    say_missed_at: AwareDatetime


class TroubleStands(Message):
    """What the records hold of what has been said about a trouble."""

    escalated: bool
    missed: int
    day_ends: AwareDatetime
    """The end of the business day of the step that was recorded last."""


class TroubleQuery(Message):
    """What keeps the customer out of the invoice, as of `at`?"""

    organization: str
    invoice: str
    at: AwareDatetime


class TroubleFound(Message):
    """The cause, without the evidence: no address of the customer's gets into a history.

    `how` says that nobody needs to get in any more; `by_link` that a new link by mail fixes it.
    """

    codes: tuple[Code, ...]
    since: AwareDatetime | None
    words: str
    action: Action | None
    by_link: bool
    how: How | None = None
    number: str | None = None
    """The invoice's."""


class NewLink(Message):
    """Mail the customer a new link, once for each trouble."""

    operation: str
    organization: str
    invoice: str
    policy: PortalPolicy
    at: AwareDatetime


class GotIn(Message):
    """The customer has opened the invoice's page."""

    at: AwareDatetime


class CloseTrouble(Message):
    """A person has seen to it, and says how."""

    person: str
    note: str


def deadline(policy: Policy, noticed_at: datetime) -> datetime:
    """The end of the business day, in UTC; outside business hours, of the next one."""
    return end_of_business_day(noticed_at, policy.calendars[policy.portal.calendar])


def settled(status: str) -> How | None:
    """How an invoice's status ends its trouble; None while somebody still has to pay it."""
    if status not in WITHOUT_NEED:
        return None
    return "paid" if status == "paid" else "not_payable"
