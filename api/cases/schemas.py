"""The shapes of cases."""

from datetime import datetime

from pydantic import Field

from billing.cases.case import Action, CaseObject
from billing.core.money import Money
from billing.core.operations import State

from ..http.models import Answer, Body, Comment, OtherId, Query
from ..notes.schemas import NoteText


class CaseCloseBody(Body):
    note: NoteText = Field(description="Why it was made, in words; a payment's id is added by itself")
    done_by: OtherId | None = Field(
        default=None,
        description="Who made it in Stripe, of GET /v1/people, and has to confirm that; left out: you",
    )


class CaseConfirmBody(Body):
    made: bool = Field(description="Whether you made it in Stripe")
    comment: Comment | None = None


class CasesQuery(Query):
    open: bool | None = Field(default=None, description="true: only those that are not closed")
    object_kind: CaseObject | None = None


class CaseAnswer(Answer):
    """`id` is that of its operation, which has the timeline, the result and what was found in Stripe."""

    id: str
    object_kind: CaseObject
    object: str = Field(description="Stripe's id of what was made, or of the subscription that was changed")
    customer: str | None
    amount: Money | None = Field(description="null for a plan change")
    payment_intent: str | None
    state: State
    stage: str
    owner: str | None = Field(description="Who has taken it on")
    done_by: str | None = Field(description="Who made it in Stripe, by their own word")
    named: str | None = Field(description="Who is said to have made it and has not confirmed that yet")
    beyond_authority: bool | None = Field(
        description="Whether that was beyond their authority then; null before it is closed"
    )
    noticed_at: datetime
    deadline: datetime = Field(description="By when its note is due")
    escalated: bool = Field(description="Whether the controller was told")
    escalated_at: datetime | None
    closed_at: datetime | None
    allowed_actions: list[Action] = Field(description="What you may ask of it now")
