"""Who comes to a page, which invoices they may see there, and where those go who may not."""

import re
import time
from dataclasses import replace

from fastapi import Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import RedirectResponse, Response

from db.portal import accounts
from db.portal import links as portal_links
from db.portal import pages as portal_pages
from db.tables import Invoice

from ..http.context import Context
from ..http.forms import at_floor
from . import pages, visits
from .visits import COOKIE, Visit

PATH = "/portal"
PAGE = re.compile(r"[A-Za-z0-9_-]{22}")
INVOICE = re.compile(r"[A-Za-z0-9_]{1,255}")


def path_of(page: str) -> str:
    return f"{PATH}/i/{page}"


async def visit_of(session: AsyncSession, request: Request, page: str) -> Visit:
    """By the cookie of this page; another page's counts for nothing."""
    token = request.cookies.get(COOKIE, "")
    return await visits.look(session, request, token if portal_links.page_id(token) == page else "")


async def invoice_of(session: AsyncSession, visit: Visit, wanted: str) -> tuple[Visit, Invoice | None]:
    """The link's invoice, or the `wanted` one of the same customer for who may see their account; and the
    visit as one to that."""
    link = visit.opens
    if link is None:
        return visit, None
    if wanted in ("", link.invoice_id):
        return visit, await portal_pages.invoice(session, link)
    if not INVOICE.fullmatch(wanted) or not await accounts.is_customers_own(session, visit.token):
        return visit, None
    return replace(visit, about=wanted), await accounts.invoice(session, link, wanted)


async def kept_out(request: Request, context: Context, visit: Visit, began: float) -> Response:
    if visit.link is not None and visit.opens is None and visits.counts(request):
        await visits.failed(context, visit, visit.link)
    context.metrics.visit(visit.outcome if visit.opens is None else visits.UNKNOWN)
    await at_floor(context, began)
    return pages.neutral(context.site, pages.language_of(request))


async def no_page(request: Request, context: Context) -> Response:
    """An address that is none: nothing is written, and no visit ends."""
    began = time.monotonic()
    context.metrics.visit(visits.UNKNOWN)
    await at_floor(context, began)
    return pages.neutral(context.site, pages.language_of(request))


def see_other(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, headers=pages.PRIVATE)


def set_cookie(answer: Response, context: Context, name: str, value: str, path: str) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=context.policy.portal.session_minutes * 60,
        path=path,
        secure=context.site.secure,
        httponly=True,
        samesite="lax",
    )
