"""The addresses that customers open. Whether a link opens is told in one way only, the neutral page."""

import logging
import math
import time
from asyncio import sleep as _pause
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import RedirectResponse, Response

from billing.incidents import Component
from billing.operations import CUSTOMER
from billing.portal import InvoiceFetch, InvoiceFetched
from db import incidents, invoice_pdfs, portal_pages
from db.tables import Invoice, PortalLink

from ..context import Context, InContext, portal_policy
from ..fetching import fetch
from ..problems import ApiProblem
from . import pages, visits
from .visits import COOKIE, COUNTED, TOKEN, Visit

log = logging.getLogger(__name__)

PATH = "/portal"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _ForPeople(APIRoute):
    """What stands behind the pages being away is told as a page too, and every visit is counted: by these
    the portal is known to work."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            context: Context = request.app.state.context
            try:
                answer = await handle(request)
            except (DBAPIError, PoolTimeout, OSError) as error:
                log.warning("the records are away: %s", type(error).__name__)
                context.meter.fault(Component.PORTAL, "records_away")
                return pages.unavailable(context.site)
            except Exception:
                context.meter.fault(Component.PORTAL, "internal_error")
                raise
            fault = getattr(request.state, "portal_fault", None)
            if fault is not None:
                context.meter.fault(Component.PORTAL, fault)
            else:
                context.meter.ok(Component.PORTAL)
            return answer

        return told


router = APIRouter(prefix=PATH, include_in_schema=False, route_class=_ForPeople)


@router.api_route("", methods=["GET", "HEAD"])
async def page(request: Request, context: InContext) -> Response:
    """The invoice's page, or the neutral one. Looking at it is counted once a session."""
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await _visit(session, request)
        shown = await portal_pages.shown(session, visit.opens) if visit.opens else None
    if visit.opens is None or shown is None:
        return await _kept_out(request, context, visit, began)
    answer = pages.invoice(context.site, shown, visit.opens, visit.at)
    if visits.counts(request) and request.cookies.get(COUNTED) != visit.mark:
        await visits.opened(context, visit, visit.opens)
        context.metrics.visit("opened")
        _set_cookie(answer, context, COUNTED, visit.mark)
    return answer


@router.get("/style.css")
async def style() -> Response:
    return pages.style()


@router.post("/pay")
async def pay(request: Request, context: InContext) -> Response:
    """To Stripe's page, whose address is read now; back to ours when there is nothing to pay any more."""
    if not visits.is_ours(request, context.site):
        return pages.from_elsewhere(context.site)
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await _visit(session, request)
    if visit.opens is None:
        return await _kept_out(request, context, visit, began)
    found = await _fetched(request, context, visit, visit.opens, "pay_link")
    if found is None:
        return pages.unavailable(context.site)
    if found.state != "ready" or found.url is None:
        return _see_other(PATH)
    context.metrics.visit("paying")
    return _see_other(found.url)


@router.get("/pdf")
async def pdf(request: Request, context: InContext) -> Response:
    """The stored PDF if it is of the invoice as it is now, else one that is fetched for it."""
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await _visit(session, request)
        invoice = await portal_pages.invoice(session, visit.opens) if visit.opens else None
        stored = await portal_pages.newest_pdf(session, invoice) if invoice else None
    if visit.opens is None or invoice is None:
        return await _kept_out(request, context, visit, began)
    if stored is not None:
        await visits.read_pdf(context, visit, visit.opens)
        return await _pdf(context, stored, invoice)
    found = await _fetched(request, context, visit, visit.opens, "pdf")
    if found is None:
        return pages.unavailable(context.site)
    if found.pdf is None:
        return _see_other(PATH)
    return await _pdf(context, found.pdf, invoice)


@router.post("/new-link")
async def new_link(request: Request, context: InContext) -> Response:
    """The same answer for everybody; a mail only to the customer of a link that is or was ours."""
    if not visits.is_ours(request, context.site):
        return pages.from_elsewhere(context.site)
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await _visit(session, request)
    outcome = await visits.ask(context, visit, visit.link) if visit.link else visit.outcome
    context.metrics.visit(outcome)
    await _at_floor(context, began)
    return pages.asked(context.site, portal_policy(context).new_link_every)


@router.get("/pay")
@router.get("/new-link")
async def looked_at() -> Response:
    """Somebody reloads, or types, what is only for forms."""
    return _see_other(PATH)


@router.get("/opt-out/{token}")
async def opt_out_question(context: InContext) -> Response:
    """Decides nothing: mail scanners get here too."""
    return pages.opt_out(context.site, "question")


@router.post("/opt-out/{token}")
async def opt_out(token: str, request: Request, context: InContext) -> Response:
    """At once (RFC 8058, whose POST comes from mail programs), by any token that is or was ours."""
    began = time.monotonic()
    again = await _wants_reminders(request)
    async with context.database.reading() as session:
        visit = await visits.look(session, request, token)
    if visit.link is not None:
        await visits.set_reminders(context, visit, visit.link, wanted=again)
    context.metrics.visit("unknown" if visit.link is None else "opted_in" if again else "opted_out")
    await _at_floor(context, began)
    return pages.opt_out(context.site, "again" if again else "out")


@router.api_route("/{token:path}", methods=["GET", "HEAD"])
async def enter(token: str, context: InContext) -> Response:
    """The token goes from the address into a cookie, unseen: the same for any, and nothing is used up."""
    answer = _see_other(PATH)
    _set_cookie(answer, context, COOKIE, token if TOKEN.fullmatch(token) else "")
    return answer


async def _visit(session: Any, request: Request) -> Visit:
    return await visits.look(session, request, request.cookies.get(COOKIE, ""))


async def _kept_out(request: Request, context: Context, visit: Visit, began: float) -> Response:
    if visit.link is not None and visit.opens is None and visits.counts(request):
        await visits.failed(context, visit, visit.link)
    context.metrics.visit(visit.outcome if visit.opens is None else "unknown")
    await _at_floor(context, began)
    return pages.neutral(context.site)


async def _fetched(
    request: Request, context: Context, visit: Visit, link: PortalLink, want: str
) -> InvoiceFetched | None:
    """What Stripe has; None when that can't be had now, which is no fault where they ask too often."""
    access = await visits.begin_fetch(context, visit, link, "paying" if want == "pay_link" else "pdf")
    if access is None:
        context.metrics.visit("unavailable")
        return None
    wanted = InvoiceFetch(
        organization=link.organization_id,
        invoice=link.invoice_id,
        want="pay_link" if want == "pay_link" else "pdf",
        requested_by=CUSTOMER,
    )
    try:
        return await fetch(context, wanted)
    except ApiProblem as problem:
        log.warning("link %s: %s can't be had: %s", link.id, want, problem.code)
        await visits.fetch_failed(context, access)
        context.metrics.visit("unavailable")
        if problem.code == "stripe_unavailable" and not await _stripe_is_away(context):
            request.state.portal_fault = problem.code
        return None


async def _stripe_is_away(context: Context) -> bool:
    """Then it is Stripe's incident. The portal's own would have reminders left out."""
    async with context.database.reading() as session:
        return await incidents.is_open(session, Component.STRIPE)


async def _pdf(context: Context, pdf_id: str, invoice: Invoice) -> Response:
    async with context.database.reading() as session:
        content = await invoice_pdfs.content(session, pdf_id)
    context.metrics.visit("pdf")
    return pages.pdf(content, invoice.number or invoice.id)


async def _wants_reminders(request: Request) -> bool:
    """Only our own form says so; everything else that is sent, also as multipart, opts out."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/x-www-form-urlencoded":
        return False
    body = (await request.body()).decode("latin-1")
    return ("reminders", "again") in parse_qsl(body)


async def _at_floor(context: Context, began: float) -> None:
    """Wait until a whole multiple of the floor: the time taken tells nothing."""
    floor = context.site.floor
    if floor > 0:
        took = time.monotonic() - began
        await _pause(math.ceil(took / floor) * floor - took)


def _see_other(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, headers=pages.PRIVATE)


def _set_cookie(answer: Response, context: Context, name: str, value: str) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=portal_policy(context).session_minutes * 60,
        path=PATH,
        secure=context.site.secure,
        httponly=True,
        samesite="lax",
    )
