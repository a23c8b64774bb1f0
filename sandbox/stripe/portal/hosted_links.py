"""The addresses of hosted invoice pages and PDFs; each one given out carries its own expiry, signed.

An address expires 30 days after the due date (without one: after finalization), never more than 120 days
after finalization, and whenever it is read from the API it is good for at least 10 more days. So the expiry
belongs to the address and not to the invoice: the account's secret signs it, nothing of it is stored.
https://docs.stripe.com/invoicing/hosted-invoice-page
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from ..core.kernel import Account, Ctx, Obj, presented
from ..core.periods import DAY

AFTER_DUE = 30 * DAY
MAX_VALIDITY = 120 * DAY
FRESH = 10 * DAY

_MARK = "test_"


@dataclass(frozen=True, slots=True)
class Link:
    """What an address says: which invoice, and the first second (Unix, UTC) at which it is of no use."""

    invoice: str
    expires_at: int


def expires_at(invoice: Obj, now: int) -> int:
    """The first second at which an address given out now no longer works."""
    finalized = invoice["status_transitions"]["finalized_at"]
    usual = min((invoice["due_date"] or finalized) + AFTER_DUE, finalized + MAX_VALIDITY)
    return int(max(usual, now + FRESH))


def path_of(account: Account, link: Link) -> str:
    """The path of the hosted page; the PDF is at `/pdf` below it."""
    said = f"{link.invoice},{link.expires_at},".encode()
    signature = hmac.digest(account.link_secret.encode(), said, hashlib.sha256)
    token = base64.urlsafe_b64encode(said + signature).decode().rstrip("=")
    return f"/i/{account.id}/{_MARK}{token}"


def read(account: Account, path: str) -> Link | None:
    """What the address of a hosted page says; None for one that wasn't given out in just these letters."""
    token = path.rpartition("/")[2].removeprefix(_MARK)
    try:
        said = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        invoice, expires, _ = said.split(b",", 2)
        link = Link(invoice.decode("ascii"), int(expires))
    except (binascii.Error, ValueError):
        return None
    return link if hmac.compare_digest(path_of(account, link).encode(), path.encode()) else None


def _show(ctx: Ctx, invoice: Obj) -> None:
    """Write the addresses into an invoice that is being given out; a draft has none."""
    if invoice["status_transitions"]["finalized_at"] is None:
        return
    link = Link(invoice["id"], expires_at(invoice, ctx.now))
    page = ctx.account.base_url + path_of(ctx.account, link)
    invoice.update(hosted_invoice_url=page, invoice_pdf=f"{page}/pdf")


presented("invoice", _show)
