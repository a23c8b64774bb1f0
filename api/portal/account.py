"""The customer's other invoices, and a promise to pay one of them by a day.

Whoever holds a link sees its invoice. The account is opened only by a link from a mail to the address that
the customer has in Stripe (`db.portal.accounts.is_customers_own`): one that was issued to be passed on shows
the one invoice that it was issued for. Both stand under the same address, with the same cookie.
"""

import re
import time
from datetime import date, timedelta

from fastapi import APIRouter, Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from billing.core.text import one_line
from billing.portal.promises import LONGEST_WORD, is_over_at
from db.portal import accounts, promises
from db.portal import links as portal_links
from db.portal import pages as portal_pages
from db.tables import PaymentPromise, new_id

from ..http.context import Context, InContext
from ..http.forms import form_of
from . import account_pages, entrance, pages, visits
from .serving import PageRoute
from .terms import PromiseSubject, terms_of
from .visits import Visit

LATELY = timedelta(days=90)

router = APIRouter(prefix=entrance.PATH, include_in_schema=False, route_class=PageRoute)


@router.get("/i/{id}/account")
async def account(id: str, request: Request, context: InContext) -> Response:
    """All that the customer has to pay; who may not see that is led to the invoice of their link."""
    began = time.monotonic()
    async with context.database.reading() as session:
        visit = await entrance.visit_of(session, request, id)
        shown = await portal_pages.shown(session, visit.opens) if visit.opens else None
        if visit.opens is None or shown is None:
            account = None
        elif not await accounts.is_customers_own(session, visit.token):
            return entrance.see_other(f"{entrance.path_of(id)}/")
        else:
            account = await accounts.read(session, visit.opens, visit.at - LATELY)
    if visit.opens is None or shown is None or account is None:
        return await entrance.kept_out(request, context, visit, began)
    if visits.counts(request):
        await visits.looked_at_account(context, visit, visit.opens)
        context.metrics.visit(visits.ACCOUNT)
    terms = {
        one.id: terms_of(
            context.policy.promises, one, shown.to.zone, account.promises.get(one.id, ()), visit.at
        )
        for one in account.unpaid
    }
    changed = "changed" in request.query_params
    browser = pages.language_of(request)
    return account_pages.account(context.site, shown, account, terms, visit.at, browser, changed=changed)


@router.get("/i/{id}/promise")
async def promise_form(id: str, request: Request, context: InContext, invoice: str = "") -> Response:
    """Where the customer names a day, or reads why none can be named."""
    began = time.monotonic()
    async with context.database.reading() as session:
        visit, found = await _found(session, request, context, id, invoice)
    if found is None:
        return await entrance.kept_out(request, context, visit, began)
    return account_pages.promise(context.site, found, pages.language_of(request))


@router.post("/i/{id}/promise")
async def promise(id: str, request: Request, context: InContext) -> Response:
    """Reminders pause until the day is over. The same promise again changes nothing."""
    if not visits.is_ours(request, context.site):
        return pages.from_elsewhere(context.site, request)
    began = time.monotonic()
    sent = dict(await form_of(request))
    async with context.database.reading() as session:
        visit, found = await _found(session, request, context, id, sent.get("invoice", ""))
    if found is None:
        return await entrance.kept_out(request, context, visit, began)
    day, word = _day(sent.get("day", "")), one_line(sent.get("word", ""))[:LONGEST_WORD] or None
    async with context.database.transaction() as session:
        await portal_links.lock(session, found.shown.invoice.id)
        _, found = await _found(session, request, context, id, sent.get("invoice", ""))
        made = found is not None and day is not None and await _make(session, visit, found, day, word)
    if found is None:
        return await entrance.kept_out(request, context, visit, began)
    if made:
        return entrance.see_other(entrance.path_of(id) + ("/account" if found.of_account else "/"))
    return account_pages.promise(context.site, found, pages.language_of(request), sent)


async def _found(
    session: AsyncSession, request: Request, context: Context, id_: str, wanted: str
) -> tuple[Visit, PromiseSubject | None]:
    """The invoice that a promise is about, as its customer sees it; None: not for this visitor."""
    visit = await entrance.visit_of(session, request, id_)
    visit, invoice = await entrance.invoice_of(session, visit, wanted)
    shown = await portal_pages.shown(session, visit.opens) if visit.opens else None
    if invoice is None or shown is None:
        return visit, None
    made = await promises.of_invoice(session, invoice.id)
    terms = terms_of(context.policy.promises, invoice, shown.to.zone, made, visit.at)
    return visit, PromiseSubject(shown._replace(invoice=invoice), terms, of_account=visit.about is not None)


async def _make(
    session: AsyncSession, visit: Visit, found: PromiseSubject, day: date, word: str | None
) -> bool:
    """Whether it is promised, now or before."""
    link, invoice, (days, standing) = visit.opens, found.shown.invoice, found.terms
    if standing is not None and standing.outcome is None and (standing.day, standing.word) == (day, word):
        return True
    if link is None or days is None or not days.allow(day):
        return False
    row = PaymentPromise(
        id=new_id("prm"),
        organization_id=invoice.organization_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        link_id=link.id,
        day=day,
        ends_at=is_over_at(day, found.shown.to.zone),
        word=word,
        amount_minor=invoice.amount_remaining,
        currency=invoice.currency,
        promised_at=visit.at,
    )
    await promises.make(session, row)
    await visits.note(session, visit, link, visits.PROMISED)
    return True


def _day(written: str) -> date | None:
    """As a browser's date field sends it; None for anything else."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None
