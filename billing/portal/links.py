"""The mini-portal: how long links live, and what is asked of Stripe for somebody who waits.

Times are UTC.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from pydantic import AwareDatetime

from ..core.operations import Message
from ..policy.portal import PortalPolicy

AFTER_DUE = timedelta(days=30)
MAX_VALIDITY = timedelta(days=120)
FRESH = timedelta(days=10)


def link_expiry(policy: PortalPolicy, at: datetime, cycle_days: int | None) -> datetime:
    """When a link that is issued at `at` dies, to a customer who takes `cycle_days` to approve an invoice."""
    days = policy.link_days
    if cycle_days is not None:
        days = max(days, cycle_days + policy.cycle_margin_days)
    return at + timedelta(days=min(days, policy.most_link_days))


def pay_link_expiry(finalized_at: datetime, due_date: datetime | None, read_at: datetime) -> datetime:
    """Until when Stripe's own address of an invoice is good for certain, read at `read_at`.

    30 days after the due date (without one: after finalization), never more than 120 days after that, and
    at least ten days from the reading: https://docs.stripe.com/invoicing/hosted-invoice-page
    """
    usual = min((due_date or finalized_at) + AFTER_DUE, finalized_at + MAX_VALIDITY)
    return max(usual, read_at + FRESH)


def payable(status: str, amount_remaining: int) -> bool:
    """Whether Stripe still takes money for an invoice; one that was written off can be paid all the same."""
    return status in ("open", "uncollectible") and amount_remaining > 0


def shown_hash(invoice: str, status: str, amount_remaining: int, currency: str) -> str:
    """What a page has shown to who pays on it: the button pays this invoice with this amount, or nothing."""
    facts = f"{invoice}\n{status}\n{amount_remaining}\n{currency}"
    return sha256(facts.encode()).hexdigest()[:32]


class InvoiceFetch(Message):
    """Read an invoice from Stripe anew, for its pay link or its PDF."""

    organization: str
    invoice: str
    want: Literal["pay_link", "pdf"]
    requested_by: str
    """A person's id, or `customer`."""
    own: bool = False
    """Whether it is an invoice to the organization itself."""


class InvoiceFetched(Message):
    """What came of it. `ready`: here it is; `not_payable`: nothing is to be paid; `no_pdf`: a draft, which
    has none; `gone`: Stripe has no such invoice of this organization, or its customer was erased."""

    state: Literal["ready", "not_payable", "no_pdf", "gone"]
    read_at: AwareDatetime
    status: str | None = None
    """The invoice's, in Stripe."""
    url: str | None = None
    url_expires_at: AwareDatetime | None = None
    pdf: str | None = None
    """The id of the stored PDF."""
