"""The pages as HTML: no scripts, no words of the visitor's, nothing that names the token."""

import re
from collections.abc import Mapping
from datetime import date, datetime
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
from .terms import PromiseTerms
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


class Voice:
    """How a customer is spoken to: in their language, else in that of their browser, by their own clock."""

    def __init__(self, shown: CustomerInvoice, browser: str) -> None:
        self.tag = shown.language or browser
        self.words = words_in(self.tag)
        self._locale, self._zone = locale_of(self.tag), ZoneInfo(shown.to.zone)

    def amount(self, minor: int, currency: str) -> str:
        return Money(amount_minor=minor, currency=currency).format(self._locale)

    def day(self, moment: datetime) -> str:
        return self.date(moment.astimezone(self._zone).date())

    def date(self, day: date) -> str:
        return format_date(day, "long", locale=self._locale)

    def when_due(self, due: datetime | None, at: datetime) -> str | None:
        if due is None:
            return None
        days = (due.astimezone(self._zone).date() - at.astimezone(self._zone).date()).days
        return when_due(spoken(self.tag), days)

    def promised(self, terms: PromiseTerms) -> str | None:
        """That the customer has promised to pay, while there is still something to pay."""
        standing = terms.standing
        if standing is None or standing.outcome not in (None, "broken"):
            return None
        text = self.words["promised" if standing.outcome is None else "promise_missed"]
        return text.format(day=self.date(standing.day))


def invoice(
    site: Site,
    shown: CustomerInvoice,
    link: PortalLink,
    at: datetime,
    browser: str,
    terms: PromiseTerms,
    *,
    account: bool,
    changed: bool,
) -> Response:
    """The invoice of a link. `account`: the visitor may see the customer's other invoices, too; `changed`:
    they wanted to pay another amount than the one that is due now.
    """
    bill, say = shown.invoice, Voice(shown, browser)

    def amount(minor: int) -> str:
        return say.amount(minor, bill.currency)

    lines = shown.lines.lines[:LINES] if shown.lines else []
    return page(
        "invoice",
        site,
        say.tag,
        seller=one_line(shown.seller),
        number=number_of(bill),
        state=_state(shown),
        shown=hash_of(bill),
        changed=changed,
        account=account,
        promised=say.promised(terms),
        may_promise=terms.days is not None,
        amount=amount(bill.amount_remaining),
        total=amount(bill.total),
        due_date=say.day(bill.due_date) if bill.due_date else None,
        when_due=say.when_due(bill.due_date, at),
        lines=[
            {
                "description": one_line(line.get("description") or "") or say.words["charge"],
                "quantity": _quantity(line),
                "amount": amount(line["amount"]),
            }
            for line in lines
        ],
        complete=shown.lines is None or (shown.lines.complete and len(shown.lines.lines) <= LINES),
        has_pdf=bill.status != "draft",
        link_until=say.day(link.expires_at),
    )


def number_of(bill: Invoice) -> str:
    return one_line(bill.number or bill.id)


def hash_of(bill: Invoice) -> str:
    """Of what the invoice's page shows to who pays."""
    return shown_hash(bill.id, bill.status, bill.amount_remaining, bill.currency)


def neutral(site: Site, browser: str) -> Response:
    """For every link that does not open. 404 for all: 410 would say that there once was one."""
    return page("neutral", site, browser, 404)


def asked(site: Site, browser: str, minutes: int) -> Response:
    """For everybody who asks for a new link."""
    return page("asked", site, browser, minutes=minutes)


def opt_out(site: Site, browser: str, state: str) -> Response:
    """`state` is question, out or again; the question is the same for every token."""
    return page("opt_out", site, browser, state=state)


def opt_out_dead(site: Site, browser: str) -> Response:
    """For every token that does nothing: nobody may believe that they hear no more."""
    return _message(site, browser, 404, "dead", back=False)


def unavailable(site: Site, request: Request) -> Response:
    answer = _message(site, language_of(request), 503, "unavailable", back=_is_of_an_invoice(request))
    answer.headers["Retry-After"] = "60"
    return answer


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


def _quantity(line: Mapping[str, Any]) -> int | None:
    """None of one, and where Stripe's own description begins with it: `12 × Seat (at $10.00 / month)`."""
    number = line.get("quantity")
    return None if number == 1 or str(line.get("description")).startswith(f"{number} ×") else number


def _state(shown: CustomerInvoice) -> str:
    bill = shown.invoice
    if payable(bill.status, bill.amount_remaining):
        return "payable"
    return bill.status if bill.status in ("paid", "void") else "nothing"


def _is_of_an_invoice(request: Request) -> bool:
    return request.url.path.startswith("/portal/i/")


def _message(site: Site, browser: str, status: int, what: str, *, back: bool) -> Response:
    title, text = f"{what}_title", f"{what}_text"
    return page("message", site, browser, status, title=title, text=text, back=back)


def page(name: str, site: Site, tag: str, status: int = 200, **values: Any) -> Response:
    lang = tag.replace("_", "-") if locale_of(tag).language == spoken(tag) else spoken(tag)
    text = _PAGES.get_template(f"{name}.html.j2").render(site=site, lang=lang, words=words_in(tag), **values)
    return HTMLResponse(text, status, headers=PRIVATE | {"Content-Security-Policy": site.page_policy})
