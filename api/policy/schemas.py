"""The shapes of the policy and of what it would say of a request."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.authority import AuthorityLeft
from billing.policy.reasons import CancellationReason, CreditReason, RefundReason, VoidReason, WriteOffReason
from billing.policy.sentences import PolicyGroup, PolicySentence

from ..http.models import Answer, CustomerId, ObstacleAnswer, OtherId
from ..money.schemas import Amount, Currency
from ..quotes.schemas import NamedPerson, QuotedAuthorityAnswer, ReviewAnswer

SimulatedKind = Literal["refund", "credit", "void", "write_off", "plan_change", "cancellation"]
"""What people ask for; those that need an amount first."""


class PolicyAnswer(Answer):
    """The policy by which new requests go; operations keep the one that they started under."""

    hash: str = Field(description="Changes with the policy; the timeline of an operation has its own")
    groups: list[PolicyGroup] = Field(description="Every rule as a sentence, in English")
    document: dict[str, Any] = Field(description="All rules as values, as operations keep them")


class SimulationQuery(BaseModel):
    """A request that nobody makes. Unless it is a plan change it needs `reason`, and `amount_minor` with its
    `currency`: of a cancellation what the time is worth that is paid for and not used, if anything."""

    model_config = ConfigDict(extra="forbid")

    kind: SimulatedKind
    amount_minor: Amount | None = None
    currency: Currency | None = None
    reason: RefundReason | CreditReason | VoidReason | WriteOffReason | CancellationReason | None = Field(
        default=None, description="One of the reasons that a request of this kind can have"
    )
    person: OtherId | None = Field(default=None, description="Who would ask; you, if omitted")
    customer: CustomerId | None = Field(
        default=None, description="Who would get the money, for the limits per customer"
    )


class SimulationAnswer(Answer):
    """What the policy says of such a request now. Stripe is not asked; a quote asks it."""

    kind: Kind
    person: NamedPerson
    amount: Money | None
    simulated_at: datetime
    policy: str = Field(description="The hash of the policy")
    obstacles: list[ObstacleAnswer] = Field(description="What the request would be refused with at once")
    authority: QuotedAuthorityAnswer | None = Field(
        description="Whether they may give it alone; null for what others always approve: changes and "
        "cancellations of the plan"
    )
    authority_after: list[AuthorityLeft] = Field(
        description="Their limits after it was given; on somebody else's approval it counts as that person's"
    )
    rule: PolicySentence | None = Field(description="The rule by which others are asked; null if nobody is")
    review: ReviewAnswer | None = Field(description="Who would be asked, until when; null if nobody is")
