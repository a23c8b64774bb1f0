"""The shapes of who calls, and of API keys."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from billing.core.money import Money
from billing.core.operations import Kind, Role
from db.people.keys import KeySort
from db.people.people import PersonSort
from db.people.reads import ReadKind, ReadSort

from ..approvals.schemas import DelegationAnswer
from ..http.models import DOWNWARDS, Answer, Body, Moment, OtherId, Query, SearchQuery, plain
from ..http.scopes import KeyScope


class PeopleQuery(SearchQuery):
    """`q` is a part of a name or mail address."""

    role: Role | None = None
    active: bool | None = None
    sort: PersonSort = Field(default="-created_at", description=DOWNWARDS)


class PersonAnswer(Answer):
    id: str
    name: str
    email: str
    roles: list[Role]
    active: bool
    last_sign_in_at: datetime | None = Field(
        description="To the console, within the last 90 days. Billing admins and auditors see everybody's, "
        "others their own; null otherwise"
    )


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


class PersonDetailAnswer(PersonAnswer):
    """A person with what they may give alone. `zone` is the time zone in which they read times."""

    zone: str
    created_at: datetime
    known_by: Literal["subject", "address"] = Field(description="By what single sign-on finds them")
    authority: list[AuthorityAnswer]
    delegations_given: list[DelegationAnswer] = Field(description="Offered, upcoming or active; from them")
    delegations_received: list[DelegationAnswer] = Field(description="Offered, upcoming or active; to them")
    live_keys: int | None = Field(description="API keys that work; null if you may not see them")
    live_sessions: int | None = Field(description="Where they are signed in; null if you may not see it")


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


KeyName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(plain)
]


ScopeName = Literal["read", "write", "decide"]


class KeysQuery(Query):
    person: OtherId | None = None
    live: bool | None = Field(default=None, description="true: only keys that work")
    sort: KeySort = Field(default="-created_at", description=DOWNWARDS)


class KeyBody(Body):
    """`name` says what it is for, such as the program that gets it."""

    name: KeyName
    expires_at: Moment | None = Field(
        default=None, description="When it ends; if omitted, it works until it is revoked"
    )
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=3)] | None = Field(
        default=None, description="What it may be used for; if omitted, whatever you call by may be"
    )


class RotationBody(Body):
    """How long both work."""

    overlap_hours: int = Field(
        default=7 * 24, ge=0, le=90 * 24, description="So long the old key goes on working, at most"
    )


class KeyAnswer(Answer):
    """An API key without its secret. It works as long as its person is active."""

    id: str = Field(description="Its prefix, as in pk_<prefix>_…")
    name: str | None = Field(description="null: it came by provisioning")
    person: str = Field(description="In whose name and roles it acts")
    state: Literal["live", "expired", "revoked"]
    scopes: list[KeyScope] = Field(
        description="`read`, quotes included; `write`: everything else that is no decision; `decide` on "
        "approvals, delegations, mail templates and what doesn't match"
    )
    created_at: datetime
    created_by: str | None = Field(description="null: provisioning made it")
    made_with: str | None = Field(
        description="The `id` of the key by which it was made, and with which it ends; null: its maker was "
        "signed in, or it came by provisioning"
    )
    expires_at: datetime | None
    replaced_by: str | None = Field(
        description="The `id` of the key that was made in its place; it goes on working until `expires_at`"
    )
    revoked_at: datetime | None
    revoked_by: str | None = Field(description="null while it works, and where provisioning revoked it")
    last_used_at: datetime | None = Field(
        description="Within the last 90 days; written at most once an hour for each address"
    )
    last_used_from: str | None = Field(description="The IP address, of IPv6 the /64")


class ReadsQuery(Query):
    person: OtherId | None = None
    what: ReadKind | None = None
    sort: ReadSort = Field(default="-at", description=DOWNWARDS)


class ReadAnswer(Answer):
    """Somebody read an operation's evidence, or took rows with them as a file."""

    id: str
    person: str
    at: datetime
    what: ReadKind
    path: str
    query: str = Field(description="How it was filtered; what was searched for is not kept")
    key: str | None = Field(description="The `id` of the API key by which it was asked for")
    session: str | None = Field(
        description="The session of the console in which it was; null beside a null `key`: by an access token"
    )
    address: str
    request: str = Field(description="The `X-Request-Id`, as the log has it")


class NewKeyAnswer(KeyAnswer):
    api_key: str = Field(description="The key itself, shown this once: give it to the program")
