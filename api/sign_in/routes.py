"""The pages by which people sign in to the console and out of it."""

import logging
import re
import time
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import RedirectResponse, Response

from db.core.clock import utc_now
from db.people.key_uses import place_of
from db.sign_in import links as sign_in_links
from db.sign_in import sessions
from db.sign_in.links import LinkHolder
from db.sign_in.sessions import NewSession
from db.tables import Person

from ..console.frame.page import HEADERS
from ..http.client_address import client_address
from ..http.context import Context, InContext
from ..http.forms import at_floor, form_of
from ..problems.problem import ApiProblem, not_found
from . import links, pages
from .places import HOME, SIGN_IN, SIGNED_OUT, local
from .sessions import caller_of, delete_cookie, session_of, set_cookie

log = logging.getLogger(__name__)

EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

LINKS, SINGLE_SIGN_ON = "sign-in-link", "single-sign-on"
"""By what wrong attempts are counted together."""

router = APIRouter(prefix="/console", include_in_schema=False)


@router.get("/sign-in")
async def sign_in(request: Request, context: InContext) -> Response:
    wanted = local(request.query_params.get("next"))
    if caller_of(request) is not None:
        return see_other(wanted or HOME)
    return pages.sign_in(request, context, next=wanted)


@router.post("/sign-in")
async def ask_for_link(request: Request, context: InContext) -> Response:
    """The same answer after the same time for every address; 429 for a network that asks too often."""
    if not context.by_mail:
        raise not_found()
    began = time.monotonic()
    form = dict(await form_of(request))
    email, wanted = form.get("email", "").strip().lower(), local(form.get("next"))
    if not EMAIL.fullmatch(email) or not email.isprintable():
        return pages.sign_in(request, context, next=wanted, email=form.get("email", "")[:254], wrong=True)
    address = place_of(client_address(request))
    if wait := await links.too_soon(context, email=email, address=address):
        log.warning("too many sign-in links were asked for from %s", address)
        return pages.too_often(request, wait)
    async with context.database.transaction() as session:
        await links.mail_links(
            session,
            context.policy.sign_in,
            email=email,
            address=address,
            next=wanted,
            at=utc_now(),
        )
    await at_floor(context, began)
    return see_other(f"{SIGN_IN}/check-mail")


@router.get("/sign-in/check-mail")
async def check_mail(request: Request, context: InContext) -> Response:
    return pages.check_mail(request, context)


@router.get("/sign-in/link/{token}")
async def link(token: str, request: Request, context: InContext) -> Response:
    """Uses nothing up: mail scanners get here too."""
    async with context.database.reading() as session:
        holder = await _find(session, context, token)
    at = utc_now()
    if holder is None:
        return await failed(request, context, LINKS, at=at) or pages.dead_link(request)
    if not _is_open(holder, at):
        return pages.dead_link(request)
    return pages.link(request, holder.person.name, holder.person.email, holder.organization)


@router.post("/sign-in/link/{token}")
async def use_link(token: str, request: Request, context: InContext) -> Response:
    """Signs in once: of two at the same moment, one."""
    at = utc_now()
    async with context.database.transaction() as session:
        holder, opened = await _find(session, context, token), None
        if holder and _is_open(holder, at) and await sign_in_links.use_up(session, holder.link.id, at=at):
            opened = await open_session(session, context, request, holder.person, how=holder.link.how, at=at)
    if holder is None:
        return await failed(request, context, LINKS, at=at) or pages.dead_link(request)
    if opened is None:
        return pages.dead_link(request)
    log.info(
        "%s signed in to %s by the link %s, which was made by %s%s",
        holder.person.id,
        holder.person.organization_id,
        holder.link.id,
        holder.link.issued_by,
        f": {holder.link.because}" if holder.link.because else "",
    )
    return signed_in(context, opened, holder.link.next)


@router.post("/sign-out")
async def sign_out(request: Request, context: InContext) -> Response:
    """Ends the session for good: its cookie, wherever it may be kept, opens nothing any more."""
    session_row = session_of(request)
    if session_row is not None:
        async with context.database.transaction() as session:
            await sessions.revoke(session, session_row.id, by=session_row.person_id, at=utc_now())
    elsewhere = None
    if session_row is not None and session_row.how == "oidc" and context.provider is not None:
        elsewhere = await context.provider.sign_out_url()
    answer = see_other(SIGNED_OUT) if elsewhere is None else pages.onward(request, elsewhere)
    delete_cookie(answer)
    return answer


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    return pages.signed_out(request)


async def open_session(
    session: AsyncSession,
    context: Context,
    request: Request,
    person: Person,
    *,
    how: str,
    at: datetime,
    roles: list[str] | None = None,
) -> NewSession:
    """A session with a secret of its own; the one that the browser had before ends."""
    before = session_of(request)
    if before is not None:
        await sessions.revoke(session, before.id, by=person.id, at=at)
    await sign_in_links.forget(session, at)
    await sessions.forget(session, at)
    return await sessions.begin(
        session,
        context.hashes,
        person,
        how=how,
        address=client_address(request),
        user_agent=request.headers.get("user-agent"),
        at=at,
        expires_at=at + timedelta(days=context.policy.sign_in.session_days),
        roles=roles,
    )


def signed_in(context: Context, opened: NewSession, next: str | None) -> Response:
    """On to the page that was wanted, with the session's cookie."""
    answer = see_other(local(next) or HOME)
    set_cookie(answer, opened, context.policy.sign_in)
    return answer


async def failed(request: Request, context: Context, what: str, *, at: datetime) -> Response | None:
    """Count an attempt that let nobody in; what answers it where there were too many of late, over all
    processes. Nobody is refused who has a link or a provider's word: these aren't guessed."""
    try:
        await context.guard.check(what, client_address(request), False, at)
    except ApiProblem as problem:
        return pages.too_often(request, int((problem.headers or {})["Retry-After"]))
    return None


async def _find(session: AsyncSession, context: Context, token: str) -> LinkHolder | None:
    """The link, whatever its state."""
    return await sign_in_links.find(session, context.hashes, token) if TOKEN.fullmatch(token) else None


def _is_open(holder: LinkHolder, at: datetime) -> bool:
    """Whether it can be used, and its person may come in."""
    return sign_in_links.is_open(holder.link, at) and holder.person.active and bool(holder.person.roles)


def see_other(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, headers=HEADERS)
