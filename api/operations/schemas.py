"""What the list of operations is asked for by."""

from typing import Literal

from pydantic import Field

from billing.core.operations import Kind, State
from billing.plan_changes.plans import Interval, PlanLimits
from db.operations.lists import OperationSort

from ..http.models import DOWNWARDS, Answer, Moment, OtherId, Query, SearchQuery, SearchText


class PriceAnswer(Answer):
    id: str
    interval: Interval
    unit_amount: int = Field(description="Minor units per seat, or per piece of an add-on")
    currency: str


class PlanAnswer(Answer):
    plan: str
    name: str
    seats_included: int = Field(description="0 where it can't be read for an unavailable plan")
    limits: PlanLimits
    prices: list[PriceAnswer]
    unavailable: str | None = Field(description="Why it can't be requested at present")


class AddOnAnswer(Answer):
    """What can be requested beside a plan."""

    add_on: str
    name: str
    prices: list[PriceAnswer]
    unavailable: str | None = Field(description="Why it can't be requested at present")


class PlansQuery(Query):
    sort: Literal["plan", "-plan"] = Field(default="plan", description=DOWNWARDS)


class AddOnsQuery(Query):
    sort: Literal["add_on", "-add_on"] = Field(default="add_on", description=DOWNWARDS)


class OperationsQuery(SearchQuery):
    q: SearchText | None = Field(
        default=None,
        description="A part of the customer's name or mail address, or of an invoice's number; an amount "
        "such as `1,250.00` or `USD 13`; the id of the operation, of its approval, or of an object in Stripe",
    )
    kind: Kind | None = None
    state: State | None = None
    open: bool | None = Field(default=None, description="true: only operations that have not ended")
    requested_by: OtherId | None = Field(default=None, description="A person from GET /v1/people")
    customer: OtherId | None = None
    object: OtherId | None = Field(
        default=None, description="An object in Stripe that they are about: an invoice, a payment, a refund …"
    )
    created_after: Moment | None = Field(default=None, description="Created then or later")
    created_before: Moment | None = None
    sort: OperationSort = Field(
        default="-created_at",
        description="`-` sorts downwards. `amount` is in minor units of any currency; none counts as zero",
    )
