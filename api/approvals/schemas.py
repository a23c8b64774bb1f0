"""The shapes of delegations and people."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from billing.core.operations import Role

from ..http.models import Answer, Body, Moment, OtherId, Query, Reason


class DelegateBody(Body):
    """Who decides on one approval in your place, until when, and from when if not from now on."""

    to: OtherId = Field(description="A person of GET /v1/people")
    until: Moment
    from_: Moment | None = Field(default=None, alias="from")
    reason: Reason


class DelegationBody(Body):
    """Who decides in your place while you are away. No role: all that you have."""

    to: OtherId = Field(description="A person of GET /v1/people")
    role: Annotated[Role, Field(strict=False)] | None = None
    starts_at: Moment | None = Field(default=None, description="Left out: now")
    ends_at: Moment
    reason: Reason


class DelegationsQuery(Query):
    active: bool | None = Field(default=None, description="true: only those that hold now")


class PeopleQuery(Query):
    role: Role | None = None
    active: bool | None = None


class DelegationAnswer(Answer):
    """`delegate` decides as `delegator` would, whose authority it counts in; never the other way round.

    It is `offered` until the delegate accepts it, and holds for nobody before.
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


class PersonAnswer(Answer):
    id: str
    name: str
    roles: list[Role]
    active: bool
