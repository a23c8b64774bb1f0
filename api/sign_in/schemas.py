"""The shapes of the API's requests and answers about sessions."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from db.sign_in.sessions import SessionSort

from ..http.models import DOWNWARDS, Answer, Body, OtherId, Query


class SessionsQuery(Query):
    person: OtherId | None = None
    live: bool | None = Field(default=None, description="true: only sessions that have not ended")
    sort: SessionSort = Field(default="-created_at", description=DOWNWARDS)


class SignOutBody(Body):
    """Whom to sign out."""

    person: OtherId | None = Field(default=None, description="You, if omitted")
    except_: OtherId | None = Field(
        default=None, alias="except", description="A session that goes on, such as the one you use"
    )


class SignOutAnswer(Answer):
    revoked: int = Field(description="How many sessions were ended")


class SessionAnswer(Answer):
    """A browser in which a person is, or was, signed in to the console."""

    id: str
    person: str
    state: Literal["live", "idle", "expired", "revoked"] = Field(
        description="`idle` and `expired` sessions have ended by themselves"
    )
    how: Literal["oidc", "mail", "operator"] = Field(
        description="By single sign-on, by a link that was mailed, or by a link that an operator made"
    )
    address: str = Field(description="The IP address at sign-in")
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime = Field(description="To the minute")
    expires_at: datetime = Field(description="When it ends in any case")
    revoked_at: datetime | None
    revoked_by: str | None = Field(description="The person themselves, if they signed out")
