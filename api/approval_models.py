"""The shapes of delegations and people."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from billing.operations import Role

from .models import Answer, Body, OtherId, Query, Reason

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
