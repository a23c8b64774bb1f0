"""Hosted pages as a person's browser reaches them, for the tests of invoices, PDFs and the portal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from .billing import Business


@contextmanager
def browsing() -> Iterator[httpx.Client]:
    """A browser without the account's key; it doesn't follow redirects by itself."""
    with httpx.Client(timeout=30, trust_env=False) as browser:
        yield browser


def final(business: Business, *figures: int, customer: str | None = None, **more: Any) -> Any:
    """A finalized invoice of these amounts, charged automatically unless `more` says otherwise."""
    owner = customer or business.customer(card=None).id
    draft = business.v1.invoices.create({"customer": owner, **more})
    for number, figure in enumerate(figures, 1):
        item = {"customer": owner, "invoice": draft.id, "amount": figure, "currency": business.currency}
        business.v1.invoice_items.create({**item, "description": f"Position {number}"})
    return business.v1.invoices.finalize_invoice(draft.id)


def due(business: Business, days: int, *figures: int, **more: Any) -> Any:
    """A finalized invoice that is due so many days after now."""
    terms = {"collection_method": "send_invoice", "days_until_due": days}
    return final(business, *figures, **terms, **more)
