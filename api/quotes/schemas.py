"""The shapes of quotes, and of naming one in a request."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from billing.core.money import Money
from billing.core.operations import Role
from billing.money.authority import AuthorityLeft
from billing.policy.review_rules import ReviewRule
from billing.quotes.token import PATTERN

from ..http.models import Answer, Body, ObstacleAnswer

Quoted = Annotated[str, StringConstraints(pattern=PATTERN)]


class QuotingBody(Body):
    """A request that may name the quote of exactly what it asks for."""

    quote: Quoted | None = Field(
        default=None,
        description="The `quote` of a quote, to request exactly what that has shown",
    )


class NamedPerson(Answer):
    id: str
    name: str


class ApproverAnswer(NamedPerson):
    """`for_person` is whose delegate they would decide as."""

    role: Role
    for_person: NamedPerson | None
    can_approve: bool
    why_not: str | None = Field(description="Why their approval would not be enough, such as their authority")


class RungAnswer(Answer):
    """Who is asked from `opens_at` to `deadline`, unless somebody has answered before: one of the roles, or
    with `needs` of all somebody of each. `vacant` is why nobody can answer it."""

    roles: list[Role]
    needs: Literal["any", "all"]
    state: Literal["waiting", "active", "vacant"]
    vacant: str | None
    opens_at: datetime
    deadline: datetime
    calendar: str = Field(description="The calendar of the policy in which the time counts")
    people: list[ApproverAnswer] = Field(description="Everybody who could answer now")


class ReviewAnswer(Answer):
    """Who would be asked, by which rule of the policy.

    `rung` is the index of the rung that is asked first. Unanswered, the request expires at `expires_at`.
    """

    rule: ReviewRule
    why: str = Field(description="Why approval is needed; empty where it always is")
    ladder: list[RungAnswer]
    rung: int
    expires_at: datetime


class QuoteAnswer(Answer):
    """What would come of a request. Nobody is told and nothing is recorded.

    Send `quote` with the request, until `expires_at`, to request exactly this; it is null where something
    stands in the way. `review` is null where nobody would be asked.
    """

    quote: str | None
    subject_hash: str | None = Field(description="The subject_hash that its approval would have")
    quoted_at: datetime
    expires_at: datetime
    obstacles: list[ObstacleAnswer]
    review: ReviewAnswer | None


class QuotedAuthorityAnswer(Answer):
    """Whether you may give it alone, and how much of your authority is left, in its currency."""

    within: bool
    why: str = Field(description="Why approval is needed; empty where it is not")
    limits: list[AuthorityLeft]


class MoneyQuoteAnswer(QuoteAnswer):
    amount: Money | None = None
    authority: QuotedAuthorityAnswer | None = None
    retype: bool = Field(
        default=False,
        description="Whether to have the amount typed once more before it is asked for, as the policy says",
    )
