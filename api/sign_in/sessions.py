"""Who uses the console, by the cookie of their session, and what is answered to whom nobody knows."""

from datetime import timedelta

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from billing.policy.sign_in import SignInPolicy
from db.core.clock import utc_now
from db.sign_in import sessions
from db.sign_in.sessions import NewSession, SessionHolder
from db.tables import ConsoleSession
from settings.logs import learned

from ..console.frame.page import HEADERS
from ..http.auth import Caller, NotSignedIn
from ..http.context import Context, context_of
from ..problems.handlers import UNREACHABLE, answer_to
from . import pages
from .places import is_console, sign_in_for

COOKIE = "__Host-plixo_session"
"""The prefix has browsers refuse it from another host, without TLS, and for a part of our paths."""
ASSETS = "/console/assets/"
"""The same for everybody: nobody is looked up for them."""


class SessionMiddleware:
    """Looks up the session of each request under /console: whom it names is `request.state.caller`, its row
    `request.state.session`.

    Not cached: a session that is revoked, and a person who is made inactive or loses their roles, is out with
    the next request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and is_console(path) and not path.startswith(ASSETS):
            request = Request(scope)
            try:
                await recognize(request, await context_of(request))
            except UNREACHABLE as error:
                answer_to(request, error)  # raises it again unless it says that the records are away
                await pages.unavailable(request)(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def recognize(request: Request, context: Context) -> None:
    """Notes on the request who is signed in, where anybody is."""
    secret = request.cookies.get(COOKIE)
    if not secret:
        return
    at, policy = utc_now(), context.policy.sign_in
    async with context.database.reading() as session:
        holder = await sessions.find(session, context.hashes, secret)
    if holder is None or sessions.state_of(holder.session, at, idle_of(policy)) != "live":
        return
    caller = _caller(holder)
    if caller is None:
        return
    if holder.session.last_seen_at <= at - sessions.SEEN_EVERY:
        async with context.database.statement() as session:
            await sessions.seen(session, holder.session, at)
    request.state.caller, request.state.session = caller, holder.session
    learned(organization=caller.organization, person=caller.person)


def _caller(holder: SessionHolder) -> Caller | None:
    return Caller.of(holder.person, holder.session.roles) if holder.person.active else None


def idle_of(policy: SignInPolicy) -> timedelta:
    """How long a session may go unused."""
    return timedelta(minutes=policy.idle_minutes)


def caller_of(request: Request) -> Caller | None:
    """Whoever is signed in."""
    found = getattr(request.state, "caller", None)
    return found if isinstance(found, Caller) else None


def session_of(request: Request) -> ConsoleSession | None:
    """The session that the request is of."""
    found = getattr(request.state, "session", None)
    return found if isinstance(found, ConsoleSession) else None


def install(app: FastAPI) -> None:
    """Answer `NotSignedIn`, for all pages."""
    app.add_exception_handler(NotSignedIn, _not_signed_in)


async def _not_signed_in(request: Request, error: Exception) -> Response:
    if request.method != "GET":
        return pages.signed_out_meanwhile(request)
    return RedirectResponse(sign_in_for(request.url.path, request.url.query), 303, headers=HEADERS)


def set_cookie(answer: Response, opened: NewSession, policy: SignInPolicy) -> None:
    """Sign the browser in. Chromium and Firefox take the cookie from http on this machine too."""
    answer.set_cookie(
        COOKIE,
        opened.secret,
        max_age=policy.session_days * 24 * 60 * 60,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def delete_cookie(answer: Response) -> None:
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
