"""The shapes of reminder runs and of what was decided about an invoice."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from billing.core.money import Money
from db.core.pages import ByCreation
from db.mail.customer_mails import MailSort

from ..http.models import (
    BY_CURRENCY,
    DOWNWARDS,
    Answer,
    Body,
    ListOf,
    OperationAnswer,
    OtherId,
    Query,
    Reason,
)

MailState = Literal["held", "due", "sent", "skipped", "bounced"]

_NO_DAY = "must be a date such as 2026-05-04"
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _written(value: Any) -> date:
    """Text only, and only so: pydantic would take a number, and Python some other ways to write it."""
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
        raise ValueError(_NO_DAY)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(_NO_DAY) from None


Day = Annotated[date, BeforeValidator(_written), WithJsonSchema({"type": "string", "format": "date"})]


class RunBody(Body):
    dry_run: bool = Field(default=False, description="true: only decide and count; send nothing")


class RunsQuery(Query):
    dry_run: bool | None = None
    open: bool | None = Field(default=None, description="true: only runs that have not ended")
    requested_by: OtherId | None = Field(
        default=None, description="A person from GET /v1/people, or `system` for scheduled runs"
    )
    sort: ByCreation = Field(default="-created_at", description=DOWNWARDS)


class RemindersQuery(Query):
    sort: MailSort = Field(default="-decided_at", description=BY_CURRENCY)


class DecisionsQuery(RemindersQuery):
    state: MailState | None = None
    reason: OtherId | None = Field(default=None, description="The code of a reason")
    customer: OtherId | None = None


class CountAnswer(Answer):
    """`amounts` is the unpaid amount of these invoices, one entry per currency."""

    state: MailState
    reason: str
    words: str = Field(description="The reason as a sentence")
    mails: int
    amounts: list[Money]


class ProgressAnswer(Answer):
    """Current state: a decision that a later run has made again counts for that run."""

    seen: int = Field(description="Invoices checked")
    mails: int = Field(description="Decisions, in any state")
    counts: list[CountAnswer]


class ReminderRunAnswer(OperationAnswer):
    progress: ProgressAnswer


class DecisionAnswer(Answer):
    """The outcome of one reminder step of one invoice, and why."""

    id: str
    run: str | None = Field(description="The run that last decided it")
    invoice: str
    customer: str
    step: str
    state: MailState
    reason: str
    words: str = Field(description="The reason as a sentence")
    decided_at: datetime
    due_at: datetime = Field(description="When it may be sent, or is tried again; it is held until then")
    settled_at: datetime | None = Field(description="When it was sent, skipped or refused; null: not yet")
    amount: Money = Field(description="The unpaid amount at the time of the decision")


class NextAnswer(Answer):
    """`due_at` is when the step is due, `sends_at` when the customer may be written to."""

    step: str
    due_at: datetime
    sends_at: datetime


class WhyAnswer(Answer):
    reason: str
    words: str


class PauseAnswer(Answer):
    """Whether reminders of the invoice are paused. If `until` is null, until somebody resumes them."""

    invoice: str
    paused: bool
    until: date | None = Field(description="The day, in the customer's time zone, on which reminders resume")
    reason: str | None
    paused_by: str | None
    paused_at: datetime | None


class InvoiceRemindersAnswer(ListOf[DecisionAnswer]):
    """Either `next` or `why_none` is null."""

    next: NextAnswer | None = Field(description="The next reminder, if nothing changes")
    why_none: WhyAnswer | None = Field(description="Why there is no next one")
    pause: PauseAnswer


class PauseBody(Body):
    """Without `until`, reminders stay paused until somebody resumes them."""

    until: Day | None = Field(
        default=None, description="The day, in the customer's time zone, on which reminders resume"
    )
    reason: Reason = Field(description="Why, for people who look at the invoice")
