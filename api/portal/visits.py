"""Visits to the pages: by which link, which of them count, and what is kept of them."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import CUSTOMER
from billing.portal.links import payable
from billing.portal.networks import verdict
from db.core.clock import utc_now
from db.customers import erasure
from db.customers import settings as customer_settings
from db.portal import links as portal_links
from db.portal import networks, visits
from db.portal import pages as portal_pages
from db.portal import troubles as portal_troubles
from db.tables import Invoice, Outbox, PortalLink

from ..http.client_address import client_address
from ..http.context import Context
from ..http.heads import is_head
from ..http.site import Site
from ..portal_admin import troubles as troubles
from ..portal_admin.links import mail_link

COOKIE = "plixo_portal"
COUNTED = "plixo_portal_seen"
"""The cookie by which a session's visit is counted once."""

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

LIVE = "live"
UNKNOWN = "unknown"
MAX_NOTED = 50
"""Rows a window of each kind that visitors can make many of."""
FETCHES = 10
FETCHES_WITHIN = timedelta(minutes=10)
FETCHED = ("paying", "pdf", "unavailable")
OPTED_OUT, ACCOUNT, PROMISED = "opted_out", "account", "promised"

_PREFETCH = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_SCANNERS = re.compile(
    # What opens links in mails before people do (and says so), crawlers, previews, and programs; Cubot is
    # a maker of phones.
    r"(?<!cu)bot\b|crawl|spider|scan|preview|slurp|barracuda|proofpoint|mimecast|safelinks|ms-office|urldefense|"
    r"trendmicro|symantec|googleimageproxy|facebookexternalhit|whatsapp|curl|wget|python|go-http|java/|"
    r"okhttp|libwww",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Visit:
    """Somebody at our pages. `outcome` is `live`, or why the link does not open; `unknown` without a link."""

    token: str
    address: str
    agent: str | None
    at: datetime
    link: PortalLink | None
    outcome: str
    about: str | None = None
    """Another invoice of the customer; None: the link's own."""

    @property
    def opens(self) -> PortalLink | None:
        return self.link if self.outcome == LIVE else None

    def invoice_of(self, link: PortalLink) -> str:
        """The invoice that it is about."""
        return self.about or link.invoice_id

    @property
    def mark(self) -> str:
        """By which the session knows that this token's visit is counted; tells nothing of the token."""
        return portal_links.hash_token(self.token)[:16]


async def look(session: AsyncSession, request: Request, token: str) -> Visit:
    """Who visits with this token, and whether it opens from there; nothing is kept."""
    at, address = utc_now(), client_address(request)
    link = await portal_links.find(session, token) if TOKEN.fullmatch(token) else None
    outcome = UNKNOWN
    if link is not None:
        outcome = portal_links.state_of(link, at)
        rules = await networks.rules_for(session, link.organization_id, link.customer_id)
        if outcome == LIVE and not verdict(address, *rules).allowed:
            outcome = "blocked"
    return Visit(token, address, request.headers.get("user-agent"), at, link, outcome)


def counts(request: Request) -> bool:
    """Whether it is a person who looks at a page, as far as the request says; mail scanners do not count."""
    headers = request.headers
    agent = headers.get("user-agent", "")
    return (
        request.method == "GET"
        and not is_head(request)
        and not any(name in headers for name in _PREFETCH)
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and "text/html" in headers.get("accept", "")
        and bool(agent.strip())
        and not _SCANNERS.search(agent)
    )


def is_ours(request: Request, site: Site) -> bool:
    """Whether a form was sent from our own page. (Our no-referrer makes browsers send `Origin: null`.)"""
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    return request.headers.get("origin") in (None, "null", site.origin)


async def opened(context: Context, visit: Visit, link: PortalLink) -> None:
    """The customer is in: counted, and whoever follows a trouble about it is told."""
    async with context.database.transaction() as session:
        await portal_links.count_open(session, link.id, at=visit.at)
        await note(session, visit, link, "opened")
        told = await troubles.got_in(session, invoice_id=link.invoice_id, at=visit.at)
    _hand_over(context, told)


async def failed(context: Context, visit: Visit, link: PortalLink) -> None:
    """The link did not open; after several times that is a trouble, unless nothing is to be paid."""
    policy = context.policy.portal
    since = visit.at - timedelta(minutes=policy.failures_within)
    started: Outbox | None = None
    async with context.database.transaction() as session:
        earlier = await visits.failures(session, link.id, since)
        if earlier >= MAX_NOTED:
            return
        await note(session, visit, link, visit.outcome)
        invoice = await portal_pages.invoice(session, link)
        # Trouble is with the link that the customer is meant to use; one that was ended is meant for nobody.
        counted = link.ended_at is None and earlier + 1 >= policy.failures
        if counted and invoice is not None and _payable(invoice):
            started = await troubles.notice(session, context, invoice=invoice, cause="failures", at=visit.at)
    _hand_over(context, started)


async def ask(context: Context, visit: Visit, link: PortalLink) -> str:
    """A new link is mailed to the customer, not too often, and their trouble is followed.

    Says what came of it: asked, limited, or not_payable, which is as much for who was erased.
    """
    policy = context.policy.portal
    rows: list[Outbox | None] = []
    async with context.database.transaction() as session:
        await visits.lock_address(session, visit.address)
        await portal_troubles.lock(session, link.invoice_id)
        invoice = await portal_pages.invoice(session, link)
        if invoice is None or not _payable(invoice):
            return "not_payable"
        if await erasure.is_erased_for_now(session, link.customer_id):
            return "not_payable"
        recently = visit.at - timedelta(minutes=policy.new_link_every)
        hour = visit.at - timedelta(hours=1)
        limited = (
            await visits.asked_since(session, link.invoice_id, recently)
            or await visits.asks(session, address=visit.address, since=hour) >= policy.asks_per_hour
        )
        if limited:
            if await portal_pages.noted(session, link.invoice_id, ("limited",), hour) < MAX_NOTED:
                await note(session, visit, link, "limited")
            return "limited"
        await note(session, visit, link, visits.ASKED)
        # First the trouble, whose diagnosis is then of the link that did not open.
        rows.append(await troubles.notice(session, context, invoice=invoice, cause="asked", at=visit.at))
        rows.append(
            await mail_link(
                session,
                context,
                invoice=invoice,
                by=CUSTOMER,
                reason="asked",
                at=visit.at,
                keep_live=True,
            )
        )
    _hand_over(context, *rows)
    return visits.ASKED


async def begin_fetch(context: Context, visit: Visit, link: PortalLink, outcome: str) -> str | None:
    """Something is about to be read from Stripe: noted, with the row's id; None when that is too often.

    What looks at PDFs, people or programs, leaves half of it to those who pay.
    """
    most = FETCHES // 2 if outcome == "pdf" else FETCHES
    async with context.database.transaction() as session:
        await portal_troubles.lock(session, visit.invoice_of(link))
        since = visit.at - FETCHES_WITHIN
        if await portal_pages.noted(session, visit.invoice_of(link), FETCHED, since) >= most:
            return None
        return await note(session, visit, link, outcome)


async def fetch_failed(context: Context, access_id: str) -> None:
    async with context.database.transaction() as session:
        await portal_pages.came_to(session, access_id, "unavailable")


async def read_pdf(context: Context, visit: Visit, link: PortalLink) -> None:
    """A PDF that is stored was given out; of many times the first ones are noted."""
    async with context.database.transaction() as session:
        since = visit.at - timedelta(hours=1)
        # One less than ends the fetches: looking at what is here must not keep anybody from paying.
        if await portal_pages.noted(session, visit.invoice_of(link), ("pdf",), since) < FETCHES // 2:
            await note(session, visit, link, "pdf")


async def looked_at_account(context: Context, visit: Visit, link: PortalLink) -> None:
    """Somebody has seen the customer's other invoices; of many times the first ones are noted."""
    async with context.database.transaction() as session:
        since = visit.at - timedelta(hours=1)
        if await portal_pages.noted(session, link.invoice_id, (ACCOUNT,), since) < MAX_NOTED:
            await note(session, visit, link, ACCOUNT)


async def set_reminders(context: Context, visit: Visit, *, wanted: bool) -> bool:
    """The customer says whether they want reminders; False where this link does nothing.

    Reminders are ended by a link that was not itself ended, expired or not, from any address: the POST of
    RFC 8058 comes from the mail program's servers. They are turned on again only by who can see the page.
    """
    link = visit.link
    if link is None or link.ended_at is not None or (wanted and visit.opens is None):
        return False
    async with context.database.transaction() as session:
        await customer_settings.set_reminders(
            session,
            customer_id=link.customer_id,
            organization_id=link.organization_id,
            wanted=wanted,
            by=CUSTOMER,
            at=visit.at,
        )
        since = visit.at - timedelta(hours=1)
        if not wanted and await portal_pages.noted(session, link.invoice_id, (OPTED_OUT,), since) < MAX_NOTED:
            await note(session, visit, link, OPTED_OUT)
    return True


def _payable(invoice: Invoice) -> bool:
    return payable(invoice.status, invoice.amount_remaining)


async def note(session: AsyncSession, visit: Visit, link: PortalLink, outcome: str) -> str:
    access = await visits.note(
        session,
        link=link,
        at=visit.at,
        address=visit.address,
        outcome=outcome,
        agent=visit.agent,
        invoice_id=visit.about,
    )
    return access.id


def _hand_over(context: Context, *rows: Outbox | None) -> None:
    for row in rows:
        if row is not None:
            context.dispatcher.hand_over(row)
