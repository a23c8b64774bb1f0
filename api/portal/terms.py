"""What a customer may promise of an invoice, and has."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from billing.policy.portal import PromisePolicy
from billing.portal.links import payable
from billing.portal.promises import PromiseDays, promise_days
from db.portal.pages import CustomerInvoice
from db.tables import Invoice, PaymentPromise


class PromiseTerms(NamedTuple):
    """`days` None: no day can be promised, for there is nothing to pay, or not any more."""

    days: PromiseDays | None
    standing: PaymentPromise | None
    """The promise that counts, kept or not."""


def terms_of(
    policy: PromisePolicy, invoice: Invoice, zone: str, made: Sequence[PaymentPromise], at: datetime
) -> PromiseTerms:
    """By the invoice's promises, the newest first."""
    standing = made[0] if made else None
    if invoice.status != "open" or not payable(invoice.status, invoice.amount_remaining):
        return PromiseTerms(None, None)
    issued_at = invoice.finalized_at or invoice.created_at
    days = promise_days(policy, due_date=invoice.due_date, issued_at=issued_at, at=at, zone=zone)
    may = len(made) < policy.per_invoice and bool(days)
    return PromiseTerms(days if may else None, standing)


class PromiseSubject(NamedTuple):
    """An invoice that a promise is about, as its customer sees it."""

    shown: CustomerInvoice
    terms: PromiseTerms
    of_account: bool = False
    """Whether it is another one than the link's own."""
