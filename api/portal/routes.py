"""The addresses that customers open. Whether a link opens is told in one way only, the neutral page."""

import logging
import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from billing.core.operations import CUSTOMER
from billing.incidents.states import Component
from billing.portal.links import InvoiceFetch, InvoiceFetched
from db.incidents import incidents
from db.portal import accounts, invoice_pdfs, promises
from db.portal import links as portal_links
from db.portal import pages as portal_pages
from db.tables import Invoice, PortalLink

from ..http.context import Context, InContext
from ..http.forms import at_floor, form_of
from ..http.heads import is_head
from ..portal_admin.fetching import fetch
from ..problems.common import STRIPE_UNAVAILABLE
from ..problems.problem import ApiProblem
from . import entrance, pages, visits
from .serving import PageRoute
from .terms import terms_of
from .visits import COOKIE, COUNTED, TOKEN, Visit

log = logging.getLogger(__name__)

CHANGED = "changed"
"""In the address of a page that shows again what was not paid because it had changed."""

router = APIRouter(prefix=entrance.PATH, include_in_schema=False, route_class=PageRoute)


@router.get("/style.css")
async def style() -> Response:
    return pages.style()


@router.get("/i/{id}/")
async def page(id: str, request: Request, context: InContext) -> Response:
    """The invoice's page, or the neutral one. Looking at it is counted once a session."""
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await entrance.visit_of(session, request, id)
        shown = await portal_pages.shown(session, visit.opens) if visit.opens else None
        own = shown is not None and await accounts.is_customers_own(session, visit.token)
        made = await promises.of_invoice(session, shown.invoice.id) if shown else ()
    if visit.opens is None or shown is None:
        return await entrance.kept_out(request, context, visit, began)
    terms = terms_of(context.policy.promises, shown.invoice, shown.to.zone, made, visit.at)
    changed = CHANGED in request.query_params
    browser = pages.language_of(request)
    answer = pages.invoice(
        context.site, shown, visit.opens, visit.at, browser, terms, account=own, changed=changed
    )
    if visits.counts(request) and request.cookies.get(COUNTED) != visit.mark:
        await visits.opened(context, visit, visit.opens)
        context.metrics.visit("opened")
        entrance.set_cookie(answer, context, COUNTED, visit.mark, entrance.path_of(id))
    return answer


@router.post("/i/{id}/pay")
async def pay(id: str, request: Request, context: InContext) -> Response:
    """To Stripe's page, whose address is read now; back to ours when what that showed is not so any more."""
    if not visits.is_ours(request, context.site):
        return pages.from_elsewhere(context.site, request)
    began = time.monotonic()
    sent = dict(await form_of(request))
    shown, other = sent.get("shown"), sent.get("invoice", "")
    async with context.database.reading() as session:
        visit = await entrance.visit_of(session, request, id)
        visit, invoice = await entrance.invoice_of(session, visit, other)
    if visit.opens is None or invoice is None:
        return await entrance.kept_out(request, context, visit, began)
    back = entrance.path_of(id) + ("/account" if other else "/")
    if shown != pages.hash_of(invoice):
        return entrance.see_other(f"{back}?{CHANGED}")
    found = await _fetched(request, context, visit, visit.opens, "pay_link")
    if found is None:
        return pages.unavailable(context.site, request)
    async with context.database.reading() as session:
        # Stripe has just been asked, and the mirror has its answer.
        _, invoice = await entrance.invoice_of(session, visit, other)
    if invoice is None or shown != pages.hash_of(invoice):
        return entrance.see_other(f"{back}?{CHANGED}")
    if found.state != "ready" or found.url is None:
        return entrance.see_other(back)
    context.metrics.visit("paying")
    return entrance.see_other(found.url)


@router.get("/i/{id}/pdf")
async def pdf(id: str, request: Request, context: InContext, invoice: str = "") -> Response:
    """The stored PDF if it is of the invoice as it is now, else one that is fetched for it."""
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await entrance.visit_of(session, request, id)
        visit, drawn = await entrance.invoice_of(session, visit, invoice)
        stored = await portal_pages.newest_pdf(session, drawn) if drawn else None
    if visit.opens is None or drawn is None:
        return await entrance.kept_out(request, context, visit, began)
    if is_head(request) and stored is None:
        return pages.pdf(b"", drawn.number or drawn.id)
    if stored is not None:
        if not is_head(request):
            await visits.read_pdf(context, visit, visit.opens)
        return await _pdf(context, stored, drawn)
    found = await _fetched(request, context, visit, visit.opens, "pdf")
    if found is None:
        return pages.unavailable(context.site, request)
    if found.pdf is None:
        return entrance.see_other(entrance.path_of(id) + ("/account" if invoice else "/"))
    return await _pdf(context, found.pdf, drawn)


@router.post("/i/{id}/new-link")
async def new_link(id: str, request: Request, context: InContext) -> Response:
    """The same answer for everybody; a mail only to the customer of a link that is or was ours."""
    if not visits.is_ours(request, context.site):
        return pages.from_elsewhere(context.site, request)
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await entrance.visit_of(session, request, id)
    outcome = await visits.ask(context, visit, visit.link) if visit.link else visit.outcome
    context.metrics.visit(outcome)
    await at_floor(context, began)
    return pages.asked(context.site, pages.language_of(request), context.policy.portal.new_link_every)


@router.post("/new-link")
@router.post("/{elsewhere:path}/new-link")
async def new_link_of_none(request: Request, context: InContext) -> Response:
    """The form of the neutral page at an address that never was a link's, such as one that was cut off."""
    if not visits.is_ours(request, context.site):
        return pages.from_elsewhere(context.site, request)
    began = time.monotonic()
    context.metrics.visit(visits.UNKNOWN)
    await at_floor(context, began)
    return pages.asked(context.site, pages.language_of(request), context.policy.portal.new_link_every)


@router.get("/i/{id}")
@router.get("/i/{id}/pay")
@router.get("/i/{id}/new-link")
async def looked_at(id: str, request: Request, context: InContext) -> Response:
    """Somebody reloads, or types, what is only for forms."""
    if entrance.PAGE.fullmatch(id):
        return entrance.see_other(f"{entrance.path_of(id)}/")
    return await entrance.no_page(request, context)


@router.get("/opt-out/{token}")
async def opt_out_question(request: Request, context: InContext) -> Response:
    """Decides nothing: mail scanners get here too."""
    return pages.opt_out(context.site, pages.language_of(request), "question")


@router.post("/opt-out/{token}")
async def opt_out(token: str, request: Request, context: InContext) -> Response:
    """At once (RFC 8058, whose POST comes from mail programs), by the token of a link that was not ended."""
    began = time.monotonic()
    again = ("reminders", "again") in await form_of(request)
    browser = pages.language_of(request)
    async with context.database.reading() as session:
        visit = await visits.look(session, request, token)
    done = await visits.set_reminders(context, visit, wanted=again)
    context.metrics.visit(visit.outcome if not done else "opted_in" if again else "opted_out")
    await at_floor(context, began)
    if not done:
        return pages.opt_out_dead(context.site, browser)
    return pages.opt_out(context.site, browser, "again" if again else "out")


@router.get("")
async def root() -> Response:
    """With the slash, beside which the neutral page's form finds its way."""
    return entrance.see_other(f"{entrance.PATH}/")


@router.get("/{token:path}")
async def enter(token: str, request: Request, context: InContext) -> Response:
    """The token goes from the address into a cookie of its page, unseen: the same for any, ours or not."""
    if not TOKEN.fullmatch(token):
        return await entrance.no_page(request, context)
    path = entrance.path_of(portal_links.page_id(token))
    answer = entrance.see_other(f"{path}/")
    entrance.set_cookie(answer, context, COOKIE, token, path)
    return answer


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
        invoice=visit.invoice_of(link),
        want="pay_link" if want == "pay_link" else "pdf",
        requested_by=CUSTOMER,
    )
    try:
        return await fetch(context, wanted)
    except ApiProblem as problem:
        log.warning("link %s: %s is unavailable: %s", link.id, want, problem.type.code)
        await visits.fetch_failed(context, access)
        context.metrics.visit("unavailable")
        if problem.type is STRIPE_UNAVAILABLE and not await _stripe_is_away(context):
            request.state.portal_fault = problem.type.code
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
