"""The pages as HTML: no scripts, no words of the visitor's, nothing that names the token."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from billing.core.money import Money
from billing.core.text import one_line
from billing.mail.languages import locale_of, preferred, spoken
from billing.mail.phrases import when_due
from billing.portal.links import payable, shown_hash
from db.portal.pages import CustomerInvoice
from db.tables import Invoice, PortalLink

from ..http.site import Site
from .words import words_in

_FOLDER = Path(__file__).parent / "pages"
_PAGES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE = (_FOLDER / "style.css").read_text(encoding="utf-8")
LINES = 20
"""So many lines are on the page; the PDF has all."""

PRIVATE = {
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
}


def style() -> Response:
    # The one thing here that is the same for everybody.
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def language_of(request: Request) -> str:
    """What the visitor's browser asks for: all that is known of somebody whose link does not open."""
    return preferred(request.headers.get("accept-language"))


def invoice(
    site: Site, shown: CustomerInvoice, link: PortalLink, at: datetime, browser: str, *, changed: bool = False
) -> Response:
    """The invoice in the customer's language, else in that of their `browser`, with dates by their clock.

    `changed`: they wanted to pay another amount than the one that is due now.
    """
    bill, tag = shown.invoice, shown.language or browser
    words = words_in(tag)
    locale, zone = locale_of(tag), ZoneInfo(shown.to.zone)

    def amount(minor: int) -> str:
        return Money(amount_minor=minor, currency=bill.currency).format(locale)

    def day(moment: datetime) -> str:
        return format_date(moment.astimezone(zone).date(), "long", locale=locale)

    due = bill.due_date
    days = (due.astimezone(zone).date() - at.astimezone(zone).date()).days if due else None
    lines = shown.lines.lines[:LINES] if shown.lines else []
    return _page(
        "invoice",
        site,
        tag,
        seller=one_line(shown.seller),
        number=one_line(bill.number or bill.id),
        state=_state(shown),
        shown=hash_of(bill),
        changed=changed,
        amount=amount(bill.amount_remaining),
        total=amount(bill.total),
        due_date=day(due) if due else None,
        when_due=when_due(spoken(tag), days) if days is not None else None,
        lines=[
            {
                "description": one_line(line.get("description") or "") or words["charge"],
                "quantity": line.get("quantity"),
                "amount": amount(line["amount"]),
            }
            for line in lines
        ],
        complete=shown.lines is None or (shown.lines.complete and len(shown.lines.lines) <= LINES),
        has_pdf=bill.status != "draft",
        link_until=day(link.expires_at),
    )


def hash_of(bill: Invoice) -> str:
    """Of what the invoice's page shows to who pays."""
    return shown_hash(bill.id, bill.status, bill.amount_remaining, bill.currency)


def neutral(site: Site, browser: str) -> Response:
    """For every link that does not open. 404 for all: 410 would say that there once was one."""
    return _page("neutral", site, browser, 404)


def asked(site: Site, browser: str, minutes: int) -> Response:
    """For everybody who asks for a new link."""
    return _page("asked", site, browser, minutes=minutes)


def opt_out(site: Site, browser: str, state: str) -> Response:
    """`state` is question, out or again; the question is the same for every token."""
    return _page("opt_out", site, browser, state=state)


def opt_out_dead(site: Site, browser: str) -> Response:
    """For every token that does nothing: nobody may believe that they hear no more."""
    return _message(site, browser, 404, "dead", back=False)


def unavailable(site: Site, request: Request) -> Response:
    page = _message(site, language_of(request), 503, "unavailable", back=_is_of_an_invoice(request))
    page.headers["Retry-After"] = "60"
    return page


def from_elsewhere(site: Site, request: Request) -> Response:
    return _message(site, language_of(request), 403, "elsewhere", back=_is_of_an_invoice(request))


def pdf(content: bytes, number: str) -> Response:
    """To be looked at in the browser, whose viewer brings styles of its own."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", number).strip("-.") or "invoice"
    headers = PRIVATE | {
        "Content-Disposition": f'inline; filename="{name}.pdf"',
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
    }
    return Response(content, media_type="application/pdf", headers=headers)


def _state(shown: CustomerInvoice) -> str:
    bill = shown.invoice
    if payable(bill.status, bill.amount_remaining):
        return "payable"
    return bill.status if bill.status in ("paid", "void") else "nothing"


def _is_of_an_invoice(request: Request) -> bool:
    return request.url.path.startswith("/portal/i/")


def _message(site: Site, browser: str, status: int, what: str, *, back: bool) -> Response:
    title, text = f"{what}_title", f"{what}_text"
    return _page("message", site, browser, status, title=title, text=text, back=back)


def _page(name: str, site: Site, tag: str, status: int = 200, **values: Any) -> Response:
    lang = tag.replace("_", "-") if locale_of(tag).language == spoken(tag) else spoken(tag)
    text = _PAGES.get_template(f"{name}.html.j2").render(site=site, lang=lang, words=words_in(tag), **values)
    return HTMLResponse(text, status, headers=PRIVATE | {"Content-Security-Policy": site.page_policy})
