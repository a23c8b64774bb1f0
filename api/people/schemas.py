"""The shape of who calls."""

from pydantic import Field

from billing.core.money import Money
from billing.core.operations import Kind, Role

from ..approvals.schemas import DelegationAnswer
from ..http.models import Answer


class MyOrganization(Answer):
    id: str
    name: str
    zone: str


class AuthorityAnswer(Answer):
    """What one of your roles may give alone in one currency. Kinds that count together share what is used."""

    kind: Kind
    role: Role
    per_item: Money
    window_days: int
    window_total: Money
    customer_total: Money | None = Field(description="The most for one customer in that time, by everybody")
    used: Money = Field(description="What you have given over the last `window_days`")
    left: Money = Field(description="What is left of `window_total`")
    most_now: Money = Field(description="The largest single amount within both `per_item` and `left`")


class WaitingCounts(Answer):
    approvals: int = Field(description="How many approvals you may decide now; 100 stands for 100 or more")
    notices: int = Field(
        description="How many notices wait for Finance, or are escalated to controllers; 0 for other roles"
    )


class MeAnswer(Answer):
    """`zone` is the time zone in which you read times: your own, otherwise the organization's."""

    id: str
    name: str
    email: str
    zone: str
    organization: MyOrganization
    roles: list[Role]
    authority: list[AuthorityAnswer]
    delegations_given: list[DelegationAnswer] = Field(description="Offered, upcoming or active; from you")
    delegations_received: list[DelegationAnswer] = Field(description="Offered, upcoming or active; to you")
    waiting: WaitingCounts
