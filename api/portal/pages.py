"""The pages as HTML: no scripts, no words of the visitor's, nothing that names the token."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from billing.customer_mail_text import locale_of, spoken
from billing.mail_phrases import when_due
from billing.money import Money
from billing.portal import payable
from db.portal_pages import Shown
from db.tables import PortalLink

from ..site import Site
from .words import ENGLISH, WORDS

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

PRIVATE = {"X-Robots-Tag": "noindex", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def style() -> Response:
    # The one thing here that is the same for everybody.
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def invoice(site: Site, shown: Shown, link: PortalLink, at: datetime) -> Response:
    """The invoice in the customer's language, with dates by their clock."""
    bill, tag = shown.invoice, shown.to.language
    words = WORDS.get(spoken(tag), WORDS[ENGLISH])
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
        lang=tag.replace("_", "-") if locale.language == spoken(tag) else spoken(tag),
        testing_label=words["testing_label"],
        testing_text=words["testing_text"],
        words=words,
        seller=shown.seller,
        number=bill.number or bill.id,
        state=_state(shown),
        amount=amount(bill.amount_remaining),
        total=amount(bill.total),
        due_date=day(due) if due else None,
        when_due=when_due(spoken(tag), days) if days is not None else None,
        lines=[
            {
                "description": line.get("description") or words["charge"],
                "quantity": line.get("quantity"),
                "amount": amount(line["amount"]),
            }
            for line in lines
        ],
        complete=shown.lines is None or (shown.lines.complete and len(shown.lines.lines) <= LINES),
        has_pdf=bill.status != "draft",
        link_until=day(link.expires_at),
    )


def neutral(site: Site) -> Response:
    """For every link that does not open. 404 for all: 410 would say that there once was one."""
    return _page("neutral", site, 404)


def asked(site: Site, minutes: int) -> Response:
    """For everybody who asks for a new link."""
    return _page("asked", site, minutes=minutes)


def opt_out(site: Site, state: str) -> Response:
    """`state` is question, out or again; the same for every token."""
    return _page("opt_out", site, state=state)


def unavailable(site: Site) -> Response:
    page = _page(
        "message",
        site,
        503,
        title="Not just now",
        text="This does not work at the moment. Nothing is lost: try again in a few minutes.",
    )
    page.headers["Retry-After"] = "60"
    return page


def from_elsewhere(site: Site) -> Response:
    return _page(
        "message",
        site,
        403,
        title="That came from another site",
        text="Nothing was done. Use the buttons on the invoice's own page.",
    )


def pdf(content: bytes, number: str) -> Response:
    """To be looked at in the browser, whose viewer brings styles of its own."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", number).strip("-.") or "invoice"
    headers = PRIVATE | {
        "Content-Disposition": f'inline; filename="{name}.pdf"',
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
    }
    return Response(content, media_type="application/pdf", headers=headers)


def _state(shown: Shown) -> str:
    bill = shown.invoice
    if payable(bill.status, bill.amount_remaining):
        return "payable"
    return bill.status if bill.status in ("paid", "void") else "nothing"


def _page(name: str, site: Site, status: int = 200, **values: Any) -> Response:
    text = _PAGES.get_template(f"{name}.html.j2").render(site=site, **values)
    return HTMLResponse(text, status, headers=PRIVATE | {"Content-Security-Policy": site.page_policy})
