"""The shapes of delegations and people."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from billing.approvals.ladder import ApprovalState
from billing.core.operations import Role
from db.approvals.approvals import ApprovalSort
from db.approvals.delegations import DelegationSort

from ..http.models import DOWNWARDS, Answer, Body, Moment, OtherId, Query, Reason


class DelegateBody(Body):
    """Who decides one approval in your place, and when the delegation starts and ends."""

    to: OtherId = Field(description="A person from GET /v1/people")
    until: Moment
    from_: Moment | None = Field(default=None, alias="from")
    reason: Reason


class DelegationBody(Body):
    """Who decides in your place while you are away. Omit `role` to delegate all your roles."""

    to: OtherId = Field(description="A person from GET /v1/people")
    role: Annotated[Role, Field(strict=False)] | None = None
    starts_at: Moment | None = Field(default=None, description="Default: now")
    ends_at: Moment
    reason: Reason


class DelegationsQuery(Query):
    active: bool | None = Field(default=None, description="true: only delegations that are active now")
    sort: DelegationSort = Field(default="-created_at", description=DOWNWARDS)


class ApprovalsQuery(Query):
    state: ApprovalState | None = None
    open: bool | None = Field(default=None, description="true: only undecided ones; false: all others")
    operation: OtherId | None = None
    needs_me: bool | None = Field(default=None, description="true: only approvals that you may decide now")
    waits_for_others: bool | None = Field(
        default=None, description="true: only undecided ones that you may not decide now"
    )
    sort: ApprovalSort = Field(
        default="-operation",
        description="`-` sorts downwards. `operation`: in the order in which the operations were begun; "
        "`deadline`: of the rung that is asked; `amount`: in minor units whatever the currency, 0 for a plan "
        "change",
    )


class DelegationAnswer(Answer):
    """`delegate` decides in place of `delegator`, and decisions count toward the delegator's authority.

    It is `offered`, and has no effect, until the delegate accepts it.
    """

    id: str
    delegator: str
    delegate: str
    role: Role | None = Field(description="null: all roles of the delegator")
    approval: str | None = Field(description="null: every approval")
    starts_at: datetime
    ends_at: datetime
    reason: str
    state: Literal["offered", "declined", "upcoming", "active", "over", "revoked"]
    created_at: datetime
    accepted_at: datetime | None
    declined_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
