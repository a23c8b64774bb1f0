"""The shapes of reminder runs and of what was decided about an invoice."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from billing.core.money import Money

from ..http.models import Answer, Body, ListOf, OperationAnswer, Query, Reason

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
    dry_run: bool = Field(default=False, description="true: only decide and count; nobody is written to")


class RunsQuery(Query):
    dry_run: bool | None = None
    open: bool | None = Field(default=None, description="true: only those that have not ended")


class DecisionsQuery(Query):
    state: MailState | None = None


class CountAnswer(Answer):
    """`amounts` is what was unpaid on these invoices, one a currency."""

    state: MailState
    reason: str
    words: str = Field(description="The reason as a sentence")
    mails: int
    amounts: list[Money]


class ProgressAnswer(Answer):
    """As it is now: what a later run has decided anew, counts as that run's."""

    seen: int = Field(description="Invoices that were looked at")
    mails: int = Field(description="Decisions, of whatever state")
    counts: list[CountAnswer]


class ReminderRunAnswer(OperationAnswer):
    progress: ProgressAnswer


class DecisionAnswer(Answer):
    """What became of one step of one invoice, and why."""

    id: str
    run: str | None = Field(description="The run that decided it last")
    invoice: str
    customer: str
    step: str
    state: MailState
    reason: str
    words: str = Field(description="The reason as a sentence")
    decided_at: datetime
    due_at: datetime = Field(description="When it may be sent: held until then, or tried again")
    settled_at: datetime | None = Field(description="When it was sent, skipped or refused; null: not yet")
    amount: Money = Field(description="What was unpaid at the decision")


class NextAnswer(Answer):
    """`due_at` is when the step is due, `sends_at` when the customer may be written to."""

    step: str
    due_at: datetime
    sends_at: datetime


class WhyAnswer(Answer):
    reason: str
    words: str


class PauseAnswer(Answer):
    """Whether reminders of the invoice are paused. `until` null: until somebody lets them go on."""

    invoice: str
    paused: bool
    until: date | None = Field(
        description="The day, where the customer is, from which they are reminded again"
    )
    reason: str | None
    paused_by: str | None
    paused_at: datetime | None


class InvoiceRemindersAnswer(ListOf[DecisionAnswer]):
    """Either `next` or `why_none` is null."""

    next: NextAnswer | None = Field(description="The next reminder, if nothing changes")
    why_none: WhyAnswer | None = Field(description="Why there is no next one")
    pause: PauseAnswer


class PauseBody(Body):
    """Left out, `until` means until somebody lets the reminders go on."""

    until: Day | None = Field(
        default=None, description="The day, where the customer is, from which they are reminded again"
    )
    reason: Reason = Field(description="Why, for those who look at the invoice")
