"""The shapes of a month's export, and of what is asked of roots."""

from datetime import date, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from billing.core.money import Money
from billing.core.operations import Kind, State
from billing.evidence.seals.roots import SignedRoot

from ..http.models import DOWNWARDS, Answer, Query


class MonthQuery(Query):
    sort: Literal["time", "-time"] = Field(
        default="time",
        description="By when it was requested or begun; `-` sorts downwards",
    )

    @property
    def newest_first(self) -> bool:
        return self.sort == "-time"


class RootsQuery(Query):
    sort: Literal["number", "-number"] = Field(default="number", description=DOWNWARDS)
    from_: date | None = Field(default=None, alias="from", description="The first UTC day")
    to: date | None = Field(default=None, description="The last UTC day")

    @property
    def newest_first(self) -> bool:
        return self.sort == "-number"


class HeadsQuery(Query):
    sort: Literal["root", "-root"] = Field(default="root", description=DOWNWARDS)
    root: int | None = Field(default=None, ge=1, le=2**31 - 1, description="The number of a root")

    @property
    def newest_first(self) -> bool:
        return self.sort == "-root"


LONGEST = timedelta(days=366)


class ExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    from_: date = Field(alias="from", description="The first UTC day")
    to: date = Field(description="The last UTC day")


class MonthOperation(Answer):
    """An operation that was requested or ended in the month, as it stands now."""

    id: str
    kind: Kind
    state: State
    requested_at: datetime
    requested_by: str
    requested_by_name: str | None
    customer: str | None = Field(description="Your customer whom it is about, as far as that is known")
    customer_name: str | None
    amount: Money | None = Field(description="What is refunded or credited, as far as that is known")
    approval: str | None = Field(description="The last approval that was asked for")
    ended_at: datetime | None
    error_code: str | None


class MonthIntent(Answer):
    """A change in Stripe that was begun or finished in the month."""

    operation: str
    step: str
    version: int
    effect: str = Field(description="What was done, such as `refund.create`")
    state: str = Field(description="open, done or refused")
    target: str = Field(description="The object in Stripe that the request went to")
    stripe_id: str | None = Field(description="The object in Stripe that it made or changed")
    stripe_request: str | None = Field(description="Stripe's id of the request")
    idempotency_key: str
    params_hash: str
    attempts: int
    read_back: bool = Field(description="Whether its outcome was read in Stripe instead of answered")
    opened_at: datetime
    closed_at: datetime | None


class EvidenceHead(Answer):
    """What stands for all of an operation's evidence: compare it with the `head` of the document."""

    operation: str
    kind: Kind
    state: State
    events: int = Field(description="How many events its timeline has")
    last_event_at: datetime
    head: str


class MonthExport(Answer):
    """All of a month, with when it begins and ends in the organization's zone."""

    month: str
    zone: str
    begins_at: datetime
    ends_at: datetime = Field(description="Exclusive")
    operations: list[MonthOperation]
    intents: list[MonthIntent]
    evidence_heads: list[EvidenceHead]
    roots: list[SignedRoot] = Field(description="The signed roots of the month's UTC days")
