"""The shapes of cases."""

from datetime import datetime

from pydantic import Field

from billing.cases.case import Action, CaseObject, DiscountPlace
from billing.core.money import Money
from billing.core.operations import State
from db.cases.cases import CaseSort

from ..http.models import Answer, Body, Comment, OtherId, Query
from ..notes.schemas import NoteText


class CaseCloseBody(Body):
    note: NoteText = Field(description="Why the change was made; a payment's id is added automatically")
    done_by: OtherId | None = Field(
        default=None,
        description="The person from GET /v1/people who made it in Stripe and must confirm it; default: you",
    )


class CaseConfirmBody(Body):
    made: bool = Field(description="Whether you made it in Stripe")
    comment: Comment | None = None


class CasesQuery(Query):
    open: bool | None = Field(default=None, description="true: only open cases")
    object_kind: CaseObject | None = None
    customer: OtherId | None = None
    owner: OtherId | None = Field(default=None, description="A person from GET /v1/people")
    sort: CaseSort = Field(
        default="-noticed_at",
        description="`-` sorts downwards. `amount` is in minor units of any currency; none counts as zero",
    )


class CaseAnswer(Answer):
    """`id` is the id of its operation, which has the timeline, the result and what was found in Stripe."""

    id: str
    object_kind: CaseObject
    object: str = Field(
        description="Stripe's id of the refund, credit, invoice, invoice item, discount or dispute, or of "
        "the subscription that was changed or set to end"
    )
    customer: str | None = Field(description="null for your own subscription")
    amount: Money | None = Field(
        description="What was given away; of a coupon its value over its duration, at most a year. null for "
        "a plan change or planned cancellation"
    )
    payment_intent: str | None
    invoice: str | None
    coupon: str | None = Field(description="What the coupon of a discount takes off, in words")
    given_on: DiscountPlace | None = Field(description="What a discount was redeemed for")
    ends_at: datetime | None = Field(description="When a subscription that was set to end does so")
    state: State
    stage: str
    owner: str | None = Field(description="The person the case is assigned to")
    done_by: str | None = Field(description="Who made it in Stripe, as they stated themselves")
    named: str | None = Field(description="Who was named as having made it and has not confirmed that yet")
    beyond_authority: bool | None = Field(
        description="Whether it was beyond their authority at the time; null until the case is closed"
    )
    noticed_at: datetime
    deadline: datetime = Field(description="When its note is due")
    escalated: bool = Field(description="Whether the controller was told")
    escalated_at: datetime | None
    closed_at: datetime | None
    allowed_actions: list[Action] = Field(description="Actions that you may take now")
