"""The hosted pages as HTML without scripts: the invoice to be paid, its receipt, the portal, and refusals."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..core.amounts import with_code
from ..core.kernel import Account, Ctx, Obj
from ..customers.test_cards import CARDS, Behavior
from ..invoices import invoicing
from ..invoices.invoice_lines import all_lines
from . import authentication, hosted_links
from .invoice_paper import billed_to, day, sums

PAYABLE = ("open", "uncollectible")

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters.update(amount=with_code, day=day)


def message(account: Account, title: str, text: str) -> bytes:
    """A page that only says something."""
    return _page(account, "message.html", title=title, text=text)


def invoice_page(ctx: Ctx, invoice: Obj, path: str, *, problem: str = "", card: str = "visa") -> bytes:
    """The page of a finalized invoice: to be paid, or what became of it; `problem` says what went wrong."""
    payable = invoice["status"] in PAYABLE
    return _page(
        ctx.account,
        "invoice.html",
        title=f"{'Receipt for invoice' if invoice['status'] == 'paid' else 'Invoice'} {invoice['number']}",
        invoice=invoice,
        billed_to=billed_to(invoice),
        lines=all_lines(invoice),
        sums=sums(invoice),
        path=path,
        problem=problem,
        payable=payable,
        waits_for_bank=payable and intent_of(ctx, invoice)["status"] == "requires_action",
        choices=_choices(),
        chosen=card,
    )


def authentication_page(ctx: Ctx, intent: Obj) -> bytes:
    """The page on which a customer authenticates, or what became of that."""
    passed = intent["status"] in ("succeeded", "processing")
    return _page(
        ctx.account,
        "authentication.html",
        title="Authenticate this payment" if "amount" in intent else "Authenticate this card",
        intent=intent,
        said="The authentication is complete." if passed else "The authentication failed.",
        way_back=authentication.way_back(intent),
    )


def portal_page(ctx: Ctx, session: Obj, configuration: Obj, customer: Obj) -> bytes:
    """The page of a portal session: the customer's invoices, where the configuration shows them."""
    invoices = None
    if configuration["features"]["invoice_history"]["enabled"]:
        found = ctx.store.related("invoice", "customer", customer["id"])
        invoices = [(one, _path(ctx, one)) for one in found if one["status_transitions"]["finalized_at"]]
    return _page(
        ctx.account,
        "portal.html",
        title=f"Billing of {customer['name'] or customer['email'] or customer['id']}",
        headline=configuration["business_profile"]["headline"],
        flow=session["flow"] and session["flow"]["type"].replace("_", " "),
        invoices=invoices,
        return_url=session["return_url"],
    )


def intent_of(ctx: Ctx, invoice: Obj) -> Obj:
    """The payment intent that an open invoice waits for."""
    return ctx.store.get("payment_intent", invoicing.payment_of(ctx, invoice)["payment"]["payment_intent"])


def _path(ctx: Ctx, invoice: Obj) -> str:
    link = hosted_links.Link(invoice["id"], hosted_links.expires_at(invoice, ctx.now))
    return hosted_links.path_of(ctx.account, link)


def _page(account: Account, template: str, **values: Any) -> bytes:
    return _PAGES.get_template(template).render(seller=account.name, **values).encode()


def _choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """The test cards as groups of (name, label)."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, card in CARDS.items():
        does = card.funding if card.name == "ok" else card.name.replace("_", " ")
        label = f"{card.brand.capitalize()} ending {card.last4} ({does})"
        groups.setdefault(_group(card), []).append((name, label))
    return list(groups.items())


def _group(card: Behavior) -> str:
    if card.decline_code:
        return "Declined"
    if card.authenticates != "never":
        return "Asks the customer to confirm"
    return "Pays" if card.refund == "succeeds" and not card.dispute else "Pays, and makes trouble later"
