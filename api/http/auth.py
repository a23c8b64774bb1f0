"""Who calls, by API key or access token, and whether they have the role that is needed."""

import logging
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from billing.core.operations import Role
from db.core.clock import utc_now
from db.people import keys, people
from db.sign_in import identities
from db.tables import Person
from settings.logs import learned

from ..oidc.provider import Provider, ProviderUnavailable
from ..oidc.tokens import TokenRefused
from ..problems.catalogue import ProblemType
from ..problems.common import (
    CREDENTIALS_EXPIRED,
    CREDENTIALS_INVALID,
    CREDENTIALS_MISSING,
    CREDENTIALS_REVOKED,
    ROLE_MISSING,
    SCOPE_MISSING,
    TEMPORARILY_UNAVAILABLE,
)
from ..problems.handlers import UNREACHABLE, answer_to
from ..problems.problem import ApiProblem
from .client_address import client_address
from .context import Context, context_of
from .scopes import EVERY_SCOPE, KeyScope, scope_of_request, words

log = logging.getLogger(__name__)

_KEY = re.compile(r"pk_(?P<prefix>[A-Za-z0-9]{1,64})_(?P<secret>[A-Za-z0-9]{1,256})")
_JWT = re.compile(r"[Bb]earer +(?P<token>[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)")
_PROVIDER_AWAY = "The identity provider can't be reached right now. Send the same request again."
WITHHELD = (
    "Your identity provider doesn't grant every role that Plixo Billing has for you. Until your "
    "administrator brings the two in line, you can't decide, give money or delegate."
)

PREFIX = "/v1/"
"""What is under it needs a key, and nothing else does."""

SCHEME = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="pk_<prefix>_<secret>",
    description="An API key of one person in one organization, or an access token of the identity provider.",
    auto_error=False,
)


@dataclass(frozen=True)
class Caller:
    """A person with their roles; everything they see and do is within `organization`."""

    person: str
    organization: str
    roles: frozenset[Role]
    withheld: bool = False
    """Whether a provider withholds a role which the records give them."""
    by_link: bool = False
    """Whether they are not signed in, but decide by the link in their mail."""
    key: str | None = None
    """The prefix of the API key by which they call; None: they call by something else."""
    until: datetime | None = None
    """When that key ends; None: it doesn't, or there is none."""
    scopes: frozenset[KeyScope] = EVERY_SCOPE
    """What that key may be used for."""

    @classmethod
    def of(cls, person: Person, granted: Collection[str] | None) -> "Caller | None":
        """With the roles that the records and, unless it is None, `granted` both give; None without any.

        To be an auditor takes rights away, so the records alone say who is one.
        """
        recorded = frozenset(map(Role, person.roles))
        roles = frozenset(role for role in recorded if granted is None or role in granted)
        if not roles:
            return None
        roles |= recorded & {Role.AUDITOR}
        return cls(person.id, person.organization_id, roles, withheld=roles != recorded)

    def acts(self) -> None:
        """Raises ApiProblem `role_missing` for an auditor, whatever other role they have: auditors read."""
        if Role.AUDITOR in self.roles:
            raise ApiProblem(
                ROLE_MISSING, "Auditors have read-only access. Ask someone without the auditor role."
            )

    def acts_with_all_roles(self) -> None:
        """For what is weighed by the roles in the records: decisions, money and delegations.

        Raises ApiProblem `role_missing` for whom a provider withholds one of them.
        """
        if self.withheld:
            raise ApiProblem(ROLE_MISSING, WITHHELD)

    def needs(self, *roles: Role) -> None:
        """Raises ApiProblem `role_missing` unless the caller has one of the roles."""
        if not self.roles.intersection(roles):
            needed = " or ".join(roles)
            raise ApiProblem(ROLE_MISSING, f"This requires the role {needed}; ask someone who has it.")

    def needs_scope(self, scope: KeyScope) -> None:
        """Raises ApiProblem `scope_missing` unless they call by something that may be used for it."""
        if scope not in self.scopes:
            raise ApiProblem(
                SCOPE_MISSING,
                f"This requires the scope {scope}, and this API key has only {words(self.scopes)}; "
                "use a key that has it.",
            )


class NotSignedIn(Exception):
    """Nobody is signed in who could have a page of the console."""


class ApiKeyMiddleware:
    """Looks at the API key of each request under /v1 before anything else of it is read, its body included.

    Not cached, so that a key that is revoked stops working with the next request. Whether a key exists,
    has expired or was revoked is told only to who knows its secret.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            request = Request(scope)
            try:
                caller = await authenticate(request, await context_of(request))
            except (ApiProblem, *UNREACHABLE) as error:
                await answer_to(request, error)(scope, receive, send)
                return
            request.state.caller = caller
            learned(organization=caller.organization, person=caller.person)
        await self._app(scope, receive, send)


async def authenticate(request: Request, context: Context) -> Caller:
    """Who sent it, by its API key or access token.

    Raises ApiProblem `credentials_…`, `too_many_wrong_keys` and `rate_limited`.
    """
    token = _JWT.fullmatch(request.headers.get("authorization", ""))
    if token is not None and context.provider is not None:
        return await _by_token(context, context.provider, token["token"])
    parts = _key_of(request)
    async with context.database.reading() as session:
        holder = await people.find_key(session, parts["prefix"])
    kept, whose = (holder.key.secret_hash, holder.person.id) if holder else ("", "")
    right = context.hashes.match(kept, parts["secret"], whose)
    await context.guard.check(parts["prefix"], client_address(request), right, utc_now())
    if holder is None or not right:
        raise refused(CREDENTIALS_INVALID)
    if holder.key.revoked_at or not holder.person.active:
        raise refused(CREDENTIALS_REVOKED)
    if holder.key.expires_at and holder.key.expires_at <= utc_now():
        raise refused(CREDENTIALS_EXPIRED)
    await context.rates.hit(holder.key.prefix)
    if not context.hashes.is_current(kept):
        async with context.database.statement() as session:
            await keys.keep_anew(session, holder.key, context.hashes.hash(parts["secret"], whose))
    roles = frozenset(Role(role) for role in holder.person.roles)
    key = holder.key
    return Caller(
        *(holder.person.id, key.organization_id, roles),
        key=key.prefix, until=key.expires_at, scopes=frozenset(map(KeyScope, key.scopes)),
    )  # fmt: skip


async def _by_token(context: Context, provider: Provider, token: str) -> Caller:
    """By an access token of the provider of single sign-on.

    Raises ApiProblem `credentials_…`, `rate_limited` and `temporarily_unavailable`.
    """
    try:
        identity = await provider.bearer(token, utc_now())
    except TokenRefused as refusal:
        log.warning("an access token was refused: %s", refusal)
        raise refused(CREDENTIALS_EXPIRED if refusal.expired else CREDENTIALS_INVALID) from None
    except ProviderUnavailable as error:
        log.error("no access token can be checked: %s", error)
        raise ApiProblem(TEMPORARILY_UNAVAILABLE, _PROVIDER_AWAY, headers={"Retry-After": "5"}) from None
    granted = provider.roles_in(identity.claims)
    async with context.database.reading() as session:
        people = await identities.people_of(session, identity.subject, identity.email)
    callers = [one for person in people if (one := Caller.of(person, granted)) is not None]
    if len(callers) != 1:
        # Of nobody here; or of several organizations, between which a token does not choose.
        raise refused(CREDENTIALS_INVALID)
    await context.rates.hit(callers[0].person)
    return callers[0]


async def caller(request: Request, _: Annotated[object, Depends(SCHEME)]) -> Caller:
    """Whom `ApiKeyMiddleware` has found by their key, or the console by their session.

    Raises NotSignedIn for a page of the console, to which nobody needs a key; ApiProblem `scope_missing`.
    """
    authenticated = getattr(request.state, "caller", None)
    if authenticated is None:
        raise NotSignedIn
    assert isinstance(authenticated, Caller)
    if authenticated.scopes != EVERY_SCOPE:
        authenticated.needs_scope(scope_of_request(request.scope))
    return authenticated


SEES_EVERYBODY = frozenset([Role.BILLING_ADMIN, Role.AUDITOR])
"""The roles that see everybody's sessions and API keys; billing admins also end them."""


SEE_AUTHORITY = SEES_EVERYBODY | {Role.CONTROLLER}
"""Who sees what others may give, and have given."""


def whose(caller: Caller, person: str | None) -> tuple[str | None, bool]:
    """Of whose sessions or keys to show: of all where it is None; and whether the caller may see those."""
    shown = person if caller.roles & SEES_EVERYBODY else caller.person
    return shown, person in (None, shown)


def may_end(caller: Caller, person: str) -> bool:
    """Whether the caller may end a session or an API key of somebody's."""
    return person == caller.person or Role.BILLING_ADMIN in caller.roles


def _key_of(request: Request) -> re.Match[str]:
    header = request.headers.get("authorization")
    if not header:
        raise refused(CREDENTIALS_MISSING)
    scheme, _, key = header.partition(" ")
    parts = _KEY.fullmatch(key.strip()) if scheme.lower() == "bearer" else None
    if parts is None:
        raise refused(CREDENTIALS_INVALID)
    return parts


def refused(type_: ProblemType) -> ApiProblem:
    """A 401, with the header that says how to come in."""
    error = "" if type_ is CREDENTIALS_MISSING else ', error="invalid_token"'
    return ApiProblem.of(type_, headers={"WWW-Authenticate": f'Bearer realm="plixo"{error}'})


AnyCaller = Annotated[Caller, Depends(caller)]


async def actor(caller: AnyCaller) -> Caller:
    """Raises ApiProblem `role_missing` for an auditor."""
    caller.acts()
    return caller


Actor = Annotated[Caller, Depends(actor)]
"""Whoever may change something, if only what is theirs."""


def having(*roles: Role) -> Callable[..., Awaitable[Caller]]:
    """A dependency: a caller who may act, and has one of the roles."""

    async def with_role(caller: Actor) -> Caller:
        caller.needs(*roles)
        return caller

    return with_role


GIVERS = frozenset([Role.BILLING_ADMIN, Role.CONTROLLER])
"""The roles that give money back: they ask for refunds and credits and see to them."""

billing_admin, giver = having(Role.BILLING_ADMIN), having(*sorted(GIVERS))
BillingAdmin = Annotated[Caller, Depends(billing_admin)]
Giver = Annotated[Caller, Depends(giver)]
