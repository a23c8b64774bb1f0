"""Hosted pages over HTTP: an invoice's page (to pay), its PDF, and portal sessions. The link is the secret.

    GET  /i/{account}/{token}       the invoice: open, paid (a receipt), void
    POST /i/{account}/{token}       pays it with a test card, then 303 to the page; a decline is a 402 page
    GET  /i/{account}/{token}/pdf   the PDF of its present state
    GET  /p/session/{token}         a portal session
    GET, POST /authenticate/{…}     3-D Secure: see authentication.py

Faults, limits and the request log are of the API, these pages know none of them.

Stripe's documentation gives no HTTP statuses for its pages; these are our choice. An address that expired was
good once and never will be again: 410. Anything else that isn't known: 404.
"""

from __future__ import annotations

from ..core import forms
from ..core.errors import StripeError
from ..core.kernel import Ctx, Obj
from ..core.test_time import tell_time
from ..customers.test_cards import CARDS
from ..engine.dispatch import Answer
from ..engine.engine import Engine
from ..invoices import invoicing
from ..payments.payments import payment_method_for
from . import authentication, hosted_links, portal_sessions
from .hosted_pages import PAYABLE, authentication_page, intent_of, invoice_page, message, portal_page
from .invoice_paper import pdf_of

PREFIXES = ("/i/", "/p/session/", authentication.PREFIX)

_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    ),
]


def answer(engine: Engine, method: str, path: str, body: bytes | None) -> Answer:
    """Answer a visit to one of the pages; `body` None: it was too large."""

    def visit(ctx: Ctx) -> Answer:
        if path.startswith("/p/session/"):
            return _session(ctx, method, path.removeprefix("/p/session/"))
        if path.startswith(authentication.PREFIX):
            return _authentication(ctx, method, path, body)
        return _invoice(ctx, method, path, body)

    try:
        return engine.visit(visit)
    except StripeError as error:
        return _html(error.status, message(engine.account, "This did not work", error.message))


def _invoice(ctx: Ctx, method: str, path: str, body: bytes | None) -> Answer:
    page = path.removesuffix("/pdf")
    link = hosted_links.read(ctx.account, page)
    invoice = ctx.store.find("invoice", link.invoice) if link else None
    if link is None or invoice is None:
        return _unknown(ctx)
    tell_time(ctx, [invoice["id"]], writes=method == "POST")
    if ctx.now >= link.expires_at:
        return _expired(ctx, f"Ask {ctx.account.name} for a new link to this invoice.")
    if method in ("GET", "HEAD"):
        return _pdf(ctx, invoice) if page != path else _html(200, invoice_page(ctx, invoice, page))
    if method == "POST" and page == path:
        return _post(ctx, invoice, page, body)
    return _wrong_method(ctx, "GET, HEAD, POST" if page == path else "GET, HEAD")


def _post(ctx: Ctx, invoice: Obj, page: str, body: bytes | None) -> Answer:
    """Pay, or pass the bank's question; what is paid or void already is only shown once more."""
    given = dict(forms.pairs(body or b""))
    card = given.get("card", "")
    if invoice["status"] not in PAYABLE:
        return _see_other(page)
    if "confirmed" in given:
        intent = intent_of(ctx, invoice)
        if intent["status"] == "requires_action":
            authentication.answer(ctx, intent["id"], passes=given["confirmed"] == "true")
        return _see_other(page)
    if card not in CARDS:
        return _html(400, invoice_page(ctx, invoice, page, problem="Choose one of the test cards."))
    invoicing.require_payable(invoice)
    chosen = payment_method_for(ctx, f"pm_card_{card}", invoice["customer"], param="card")
    outcome = invoicing.attempt(ctx, invoice, chosen["id"], off_session=False)
    if outcome.error is not None:
        return _html(402, invoice_page(ctx, invoice, page, problem=outcome.error["message"], card=card))
    return _see_other(page)


def _authentication(ctx: Ctx, method: str, path: str, body: bytes | None) -> Answer:
    intent = authentication.asked(ctx, path)
    if intent is None:
        return _unknown(ctx)
    if method in ("GET", "HEAD"):
        return _html(200, authentication_page(ctx, intent))
    if method != "POST":
        return _wrong_method(ctx, "GET, HEAD, POST")
    said = dict(forms.pairs(body or b"")).get("answer")
    if said not in ("passes", "fails"):
        return _html(400, authentication_page(ctx, intent))
    if intent["status"] == "requires_action":
        authentication.answer(ctx, intent["id"], passes=said == "passes")
    return _see_other(path)


def _pdf(ctx: Ctx, invoice: Obj) -> Answer:
    letters = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in invoice["number"])
    headers = [
        (b"content-type", b"application/pdf"),
        (b"content-disposition", f'attachment; filename="Invoice-{letters}.pdf"'.encode()),
    ]
    return Answer(200, pdf_of(ctx.account, invoice), [*headers, *_HEADERS])


def _session(ctx: Ctx, method: str, token: str) -> Answer:
    session = portal_sessions.found(ctx, token)
    customer = ctx.store.find("customer", session["customer"]) if session else None
    if session is None or customer is None:
        return _unknown(ctx)
    if method not in ("GET", "HEAD"):
        return _wrong_method(ctx, "GET, HEAD")
    if not portal_sessions.enter(ctx, session):
        return _expired(ctx, f"Open the billing portal of {ctx.account.name} anew.")
    configuration = ctx.store.get("billing_portal.configuration", session["configuration"])
    return _html(200, portal_page(ctx, session, configuration, customer))


def _html(status: int, page: bytes, *more: tuple[bytes, bytes]) -> Answer:
    return Answer(status, page, [(b"content-type", b"text/html; charset=utf-8"), *_HEADERS, *more])


def _see_other(path: str) -> Answer:
    return Answer(303, b"", [(b"location", path.encode("ascii")), *_HEADERS])


def _unknown(ctx: Ctx) -> Answer:
    said = "There is nothing at this address. Check that the link is complete."
    return _html(404, message(ctx.account, "Page not found", said))


def _expired(ctx: Ctx, advice: str) -> Answer:
    return _html(410, message(ctx.account, "This link has expired", advice))


def _wrong_method(ctx: Ctx, allowed: str) -> Answer:
    said = message(ctx.account, "Not possible here", f"This address takes {allowed} only.")
    return _html(405, said, (b"allow", allowed.encode()))
