"""The pages by which people sign in at their organization's identity provider."""

import logging
import secrets
from datetime import datetime

from fastapi import APIRouter, Request
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from db.core.clock import utc_now
from db.sign_in import attempts, identities
from db.tables import Organization, Person, SignInAttempt

from ..http.context import Context, InContext
from ..http.forms import form_of
from ..http.heads import is_head
from ..oidc.provider import CodeRefused, Provider, ProviderUnavailable
from ..oidc.tokens import Identity, TokenRefused
from ..problems.problem import not_found
from . import pages
from .places import SIGN_IN, local
from .routes import SINGLE_SIGN_ON, failed, open_session, see_other, signed_in

log = logging.getLogger(__name__)

COOKIE = "__Host-plixo_sign_in"
MAX_SENT = 4000

UNREACHABLE = (
    "Your identity provider can’t be reached right now, or it isn’t set up correctly. Try again in a minute; "
    "if it stays like this, tell whoever runs Plixo Billing."
)
NOT_HERE = (
    "This sign-in wasn’t started in this browser, took longer than ten minutes, or was finished before. "
    "Start again from the sign-in page."
)
CANCELLED = "Your identity provider didn’t sign you in. Try again, or ask whoever manages your account there."
REFUSED = "Your identity provider’s answer couldn’t be verified. Start again from the sign-in page."
UNKNOWN = (
    "Your identity provider knows you, but you don’t have access to Plixo Billing. Ask your administrator to "
    "add you with the email address of your account there, which has to be verified, and to give you a role."
)

router = APIRouter(prefix="/console/sign-in", include_in_schema=False)


@router.post("/oidc")
async def begin(request: Request, context: InContext) -> Response:
    """On to the provider, with a secret that this browser alone keeps."""
    provider = _provider(context)
    wanted = local(dict(await form_of(request)).get("next"))
    state, secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    try:
        url = await provider.sign_in_url(state, secret)
    except ProviderUnavailable as error:
        log.error("nobody can sign in: %s", error)
        return pages.not_finished(request, UNREACHABLE, 503)
    async with context.database.transaction() as session:
        await attempts.begin(session, state=state, browser=secret, next=wanted, at=utc_now())
    answer = pages.onward(request, url)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(attempts.LASTS.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get("/callback")
async def callback(request: Request, context: InContext) -> Response:
    """Back from the provider. The one GET that uses something up: the protocol has no other way back."""
    provider, at = _provider(context), utc_now()
    if is_head(request):
        return see_other(SIGN_IN)
    sent = {name: request.query_params.get(name, "")[:MAX_SENT] for name in ("state", "code", "error", "iss")}
    secret = request.cookies.get(COOKIE, "")
    async with context.database.transaction() as session:
        attempt = await attempts.come_back(session, state=sent["state"], browser=secret, at=at)
    if attempt is None:
        return await _failed(request, context, NOT_HERE, at)
    if sent["iss"] not in ("", provider.settings.issuer):  # RFC 9207
        log.warning("the answer to a sign-in is of the issuer %r", sent["iss"])
        return _over(await _failed(request, context, REFUSED, at))
    if sent["error"] or not sent["code"]:
        log.info("the provider signs nobody in: %r", sent["error"])
        return _over(pages.not_finished(request, CANCELLED))
    try:
        identity = await provider.identity(sent["code"], secret, at)
    except ProviderUnavailable as error:
        log.error("nobody can sign in: %s", error)
        return _over(pages.not_finished(request, UNREACHABLE, 503))
    except (CodeRefused, TokenRefused) as refusal:
        log.warning("a sign-in was refused: %s", refusal)
        return _over(await _failed(request, context, REFUSED, at))
    return await _let_in(request, context, provider, attempt, identity, at)


@router.get("/choose")
async def choose(request: Request, context: InContext) -> Response:
    """As whom to come in, for somebody of several organizations."""
    async with context.database.reading() as session:
        attempt = await attempts.offered(session, browser=request.cookies.get(COOKIE, ""), at=utc_now())
        people = await _people(session, attempt)
    if not people:
        return pages.not_finished(request, NOT_HERE)
    return pages.choose(request, [(person.id, person.name, name) for person, name in people])


@router.post("/choose")
async def chosen(request: Request, context: InContext) -> Response:
    wanted, at = dict(await form_of(request)).get("person"), utc_now()
    async with context.database.transaction() as session:
        attempt = await attempts.offered(session, browser=request.cookies.get(COOKIE, ""), at=at)
        people = {person.id: person for person, _ in await _people(session, attempt)}
        person = people.get(wanted or "")
        if attempt is None or person is None or not await attempts.choose(session, attempt, at=at):
            return pages.not_finished(request, NOT_HERE)
        opened = await open_session(session, context, request, person, how="oidc", at=at, roles=attempt.roles)
    log.info("%s signed in to %s by the provider", person.id, person.organization_id)
    return _over(signed_in(context, opened, attempt.next))


async def _failed(request: Request, context: Context, text: str, at: datetime) -> Response:
    """What is said of an answer that isn't the provider's to this browser; too many of them are counted."""
    return await failed(request, context, SINGLE_SIGN_ON, at=at) or pages.not_finished(request, text)


async def _let_in(
    request: Request,
    context: Context,
    provider: Provider,
    attempt: SignInAttempt,
    identity: Identity,
    at: datetime,
) -> Response:
    roles = provider.roles_in(identity.claims)
    async with context.database.transaction() as session:
        people = [
            person
            for person in await identities.people_of(session, identity.subject, identity.email)
            if roles is None or set(roles).intersection(person.roles)
        ]
        if len(people) > 1:
            await attempts.offer(session, attempt, [person.id for person in people], roles)
            return see_other(f"{SIGN_IN}/choose")
        if not people:
            verified = "verified" if identity.email else "not verified"
            log.warning("%r has no access; their address is %s", identity.subject, verified)
            return _over(pages.not_finished(request, UNKNOWN, 403))
        (person,) = people
        opened = await open_session(session, context, request, person, how="oidc", at=at, roles=roles)
    log.info("%s signed in to %s by the provider", person.id, person.organization_id)
    return _over(signed_in(context, opened, attempt.next))


async def _people(session: AsyncSession, attempt: SignInAttempt | None) -> list[tuple[Person, str]]:
    """Those whom the attempt offers and who may still come in, with their organizations' names."""
    if attempt is None or not attempt.people:
        return []
    found = await session.exec(
        select(Person, Organization.name)
        .join(Organization, col(Organization.id) == col(Person.organization_id))
        .where(col(Person.id).in_(attempt.people), col(Person.active))
        .order_by(col(Organization.name), col(Person.id))
    )
    return [(person, name) for person, name in found if person.roles]


def _provider(context: Context) -> Provider:
    if context.provider is None:
        raise not_found()
    return context.provider


def _over(answer: Response) -> Response:
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer
