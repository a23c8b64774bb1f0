"""The pages of a customer's account and of a promise to pay, as HTML."""

from collections.abc import Mapping
from datetime import datetime

from starlette.responses import Response

from billing.core.text import one_line
from billing.portal.promises import LONGEST_WORD
from db.portal.accounts import MOST_OPEN, CustomerAccount
from db.portal.pages import CustomerInvoice

from ..http.site import Site
from .pages import Voice, hash_of, number_of, page
from .terms import PromiseSubject, PromiseTerms


def account(
    site: Site,
    shown: CustomerInvoice,
    account: CustomerAccount,
    terms: Mapping[str, PromiseTerms],
    at: datetime,
    browser: str,
    *,
    changed: bool,
) -> Response:
    """What the customer has to pay, each with its own button, and what they have paid lately.

    `terms` by invoice; `changed`: they wanted to pay another amount than the one that is due now.
    """
    say = Voice(shown, browser)
    unpaid = [
        {
            "id": bill.id,
            "number": number_of(bill),
            "amount": say.amount(bill.amount_remaining, bill.currency),
            "due_date": say.day(bill.due_date) if bill.due_date else None,
            "when_due": say.when_due(bill.due_date, at),
            "shown": hash_of(bill),
            "promised": say.promised(terms[bill.id]),
            "may_promise": terms[bill.id].days is not None,
        }
        for bill in account.unpaid
    ]
    paid = [
        {"id": bill.id, "number": number_of(bill), "total": say.amount(bill.total, bill.currency)}
        for bill in account.paid
    ]
    return page(
        "account",
        site,
        say.tag,
        seller=one_line(shown.seller),
        unpaid=unpaid,
        paid=paid,
        most=MOST_OPEN if len(unpaid) == MOST_OPEN else None,
        changed=changed,
    )


def promise(
    site: Site, found: PromiseSubject, browser: str, refused: Mapping[str, str] | None = None
) -> Response:
    """The form, with what was typed when that was `refused`; 422 then."""
    shown, terms = found.shown, found.terms
    say, typed = Voice(shown, browser), refused or {}
    return page(
        "promise",
        site,
        say.tag,
        200 if refused is None else 422,
        seller=one_line(shown.seller),
        number=number_of(shown.invoice),
        invoice=shown.invoice.id,
        promised=say.promised(terms),
        days=terms.days,
        first=say.date(terms.days.first) if terms.days else "",
        last=say.date(terms.days.last) if terms.days else "",
        wrong=refused is not None,
        day=typed.get("day", ""),
        word=typed.get("word", ""),
        longest=LONGEST_WORD,
        of_account=found.of_account,
    )
