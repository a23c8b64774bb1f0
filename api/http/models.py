"""The shapes of requests and answers. Requests refuse unknown fields and values of another type."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from billing.approvals.authorship import Author
from billing.approvals.ladder import ApprovalState, Rung, Signature
from billing.approvals.messages import RevisionSummary
from billing.approvals.subject_changes import SinceLastRound
from billing.core.events import EventCode
from billing.core.money import Money
from billing.core.operations import Kind, Role, State
from billing.core.search_terms import SearchTerm, search_term
from billing.core.text import has_controls
from billing.plan_changes.items.others import OtherItem
from billing.plan_changes.limits import LimitCheck
from billing.plan_changes.plans import Interval
from db.operations.notices import NoticeSort

Item = TypeVar("Item")


def plain(text: str) -> str:
    """Control characters can't be stored everywhere and hide things from readers of mails and pages."""
    if has_controls(text):
        raise ValueError("must not contain control characters; remove them")
    return text


Comment = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(plain)
]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500), AfterValidator(plain)
]
OtherId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
PaymentId = Annotated[str, StringConstraints(pattern=r"^pi_[A-Za-z0-9_]{1,120}$")]
InvoiceId = Annotated[str, StringConstraints(pattern=r"^in_[A-Za-z0-9_]{1,120}$")]
CustomerId = Annotated[str, StringConstraints(pattern=r"^cus_[A-Za-z0-9_]{1,120}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(plain)]
SearchText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(plain)
]


NO_TIME = "must be a time with its offset, such as 2026-04-16T09:00:00Z"


def _written(value: Any) -> datetime:
    """Text only: pydantic would take a number for seconds, which one reads as milliseconds as easily."""
    try:
        written = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(NO_TIME) from None
    if written.tzinfo is None:
        raise ValueError(NO_TIME)
    return written


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(NO_TIME) from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CancelBody(Body):
    comment: Comment | None = None


class ResolutionBody(Body):
    """How to resolve a mismatch between the approved and the actual lines."""

    action: Literal["accept", "revert", "read_again"] = Field(
        description="`read_again` reads the result from Stripe again, such as after an API key was fixed"
    )
    comment: Comment


class DecisionBody(Body):
    """`subject_hash` is the hash of the approval as you read it. `comment` is optional only to approve."""

    decision: Literal["approve", "reject", "request_changes"]
    comment: Comment | None = None
    subject_hash: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain)]


class Query(BaseModel):
    """Query parameters of every list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=500, description="next_cursor of the previous page")


class SearchQuery(Query):
    """A list in which one can search."""

    q: SearchText | None = None

    @property
    def term(self) -> SearchTerm | None:
        return search_term(self.q) if self.q else None


DOWNWARDS = "`-` sorts downwards"
BY_CURRENCY = "`-` sorts downwards. Amounts are sorted by currency first."


class OldestFirst(Query):
    """A list whose rows are numbered."""

    sort: Literal["seq", "-seq"] = Field(default="seq", description=DOWNWARDS)


class NoticesQuery(Query):
    state: Literal["open", "escalated", "acknowledged", "superseded"] | None = None
    operation: OtherId | None = None
    sort: NoticeSort = Field(
        default="-operation",
        description="`-` sorts downwards. `operation`: in the order in which the operations were begun",
    )


class Answer(BaseModel):
    """Times are RFC 3339 in UTC."""

    model_config = ConfigDict(from_attributes=True)


class ListOf(Answer, Generic[Item]):
    data: list[Item]
    next_cursor: str | None = Field(description="Opaque; null at the end")


class ProblemBody(Answer):
    code: str
    message: str


class OperationAnswer(Answer):
    """Something that somebody requested. `request` is the request; `subject`, once known, is what is
    reviewed.
    """

    id: str
    kind: Kind
    state: State
    stage: str
    request: dict[str, Any]
    subject: dict[str, Any] | None
    requested_by: str
    created_at: datetime
    updated_at: datetime
    customer: str | None = Field(description="Your customer whom it is about, as far as that is known")
    amount: Money | None = Field(description="What is refunded or credited, as far as that is known")
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    allowed_actions: list[str] = Field(description="Actions that you may take now")
    approval: str | None
    workflow_id: str
    pending: bool = Field(
        default=False,
        description="Whether a cancellation, revision or resolution is recorded but not yet applied",
    )


class EventAnswer(Answer):
    """`hash` covers every field here except the words in `event`. `names` identifies the people in it, as of
    that time; `records` has the hash of each record of the operation that was written with the event."""

    seq: int
    at: datetime
    actor: str
    event: str = Field(description="What happened, in words")
    code: EventCode = Field(description="What happened, as a stable code; the words may change")
    detail: dict[str, Any]
    names: dict[str, dict[str, Any]]
    records: dict[str, str]
    prev_hash: str
    hash: str


class GivenAnswer(Answer):
    """What another operation gave the customer."""

    operation: str
    kind: Kind
    amount: Money
    decided_at: datetime
    authority_of: str | None = Field(
        description="Whose authority it counts toward; null while it is unknown who made it in Stripe"
    )


class AuthorityLeftAnswer(Answer):
    """What is left of one limit, before this approval: `person` is you, or who delegated theirs to you."""

    person: str
    role: Role
    per_item: Money
    window_days: int
    left: Money


class ApprovalAnswer(Answer):
    """A decision that a person has to make. `rung` is the index of the ladder's current rung."""

    id: str
    operation: str
    kind: Kind
    round: int
    subject: dict[str, Any]
    subject_hash: str
    amount: Money | None
    customer: str | None = Field(description="Who receives the money")
    reason: str | None = Field(description="The reason that the requester gave")
    rule: str | None = Field(description="Why approval is needed")
    since: SinceLastRound | None = Field(
        description="What changed since the last round, and why there is another one; null in the first"
    )
    state: ApprovalState
    rung: int
    ladder: list[Rung]
    deadline: datetime | None
    signatures: list[Signature] = Field(description="Who has approved so far")
    requested_by: str
    authors: list[Author] = Field(
        description="The people who requested, revised or retried it; none of them may decide it"
    )
    revised: RevisionSummary | None = Field(
        description="How it was revised in the previous round; null: not revised"
    )
    decided_by: str | None
    comment: str | None = Field(
        default=None, description="What whoever decided it said to that; null in lists"
    )
    opened_at: datetime
    closed_at: datetime | None
    can_decide: bool = Field(description="Whether you may approve it now")
    can_reject: bool = Field(description="Whether you may reject it or request changes now")
    why_not: str | None = Field(description="Why you may not approve it now")
    recent: list[GivenAnswer] | None = Field(
        default=None, description="What the customer was given in the last 90 days; null in lists"
    )
    authority_left: list[AuthorityLeftAnswer] | None = Field(
        default=None,
        description="The authority that your approval would count toward; null in lists, where none is "
        "needed, and where you have no say now",
    )


class StripeIds(Answer):
    customer: str
    subscription: str


class ObstacleAnswer(Answer):
    """What stands in the way: `code` is what the request would be refused with, or its operation end with.

    `pointer` is an RFC 6901 pointer to the field of the body to blame, if there is one.
    """

    code: str
    message: str
    pointer: str | None = None


class OrganizationAnswer(Answer):
    """As last read from Stripe at `synced_at`, with current usage."""

    id: str
    name: str
    plan: str | None = Field(description="null only if no plan has ever been read")
    seats: int | None
    interval: Interval | None
    renews_at: datetime | None
    ends_at: datetime | None = Field(description="When it is set to end; null for a plan that renews")
    others: list[OtherItem] = Field(
        description="What the subscription has beside the plan; a `quantity` of null is billed by usage"
    )
    limits: list[LimitCheck]
    unsupported: str | None = Field(description="Why the subscription in Stripe does not match a plan")
    obstacles: list[ObstacleAnswer] = Field(
        description="What stands in the way of any plan change, as last read from Stripe"
    )
    pending_change: str | None = Field(
        description="The plan change or cancellation that is open; not a cancellation that waits for its end"
    )
    stripe: StripeIds
    synced_at: datetime | None


class NoticeAnswer(Answer):
    """A message that Finance must acknowledge."""

    id: str
    operation: str
    kind: str
    subject: dict[str, Any]
    state: Literal["open", "escalated", "acknowledged", "superseded"]
    deadline: datetime
    created_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    superseded_at: datetime | None = Field(description="When it stopped needing acknowledgment")
    superseded_because: str | None = Field(description="Why, in a sentence")
    superseded_by: str | None = Field(
        description="The notice that replaces it; null where the operation ended without effect"
    )


class ErrorAnswer(Answer):
    """`where` is body, query or header; `pointer` is an RFC 6901 pointer into it."""

    where: Literal["body", "query", "header", "path"]
    pointer: str
    code: str
    message: str


class ProblemAnswer(Answer):
    """RFC 9457 problem details; `code` is stable. Some codes carry further members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[ErrorAnswer]


class HealthAnswer(Answer):
    status: Literal["ok"]


class ReadyAnswer(Answer):
    """`degraded`: requests are accepted and stored until Temporal is reachable again."""

    status: Literal["ok", "degraded", "unavailable"]
    database: Literal["ok", "unreachable", "not_migrated"]
    temporal: Literal["ok", "unreachable"]
    fix: str | None = Field(description="The command that migrates a database that is not migrated")
