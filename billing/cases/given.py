"""What of an invoice was given away in Stripe, read from Stripe's JSON.

    write-off   what remained when it was marked uncollectible, unless it was paid through Stripe since
    void        what was still due, unless a write-off gave that before, and what its customer's balance had
                paid of it, which a void gives back
    item        each negative line that was added by hand, with the taxes on top of it; prorations are none
    discount    what each took off the lines, before taxes

Items and discounts count once the invoice is final: what a draft says can still change. A void and a
write-off come to what the same request here would (`billing.money.waiver`).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime

from ..core.operations import Message
from ..stripe.invoice_json import id_of, line_totals
from .case import CaseObject

Document = Mapping[str, Any]

InvoiceGift = Literal[CaseObject.VOID, CaseObject.WRITE_OFF, CaseObject.INVOICE_ITEM, CaseObject.DISCOUNT]


class GivenOnInvoice(Message):
    """`object` is Stripe's id of the item or discount, or of the invoice itself; `amount` is in minor units
    of the invoice's currency."""

    kind: InvoiceGift
    object: str
    amount: int
    at: AwareDatetime


def given_on_invoice(invoice: Document) -> list[GivenOnInvoice] | None:
    """Everything that was given on it; None where Stripe has not listed all of its lines."""
    if invoice["lines"]["has_more"]:
        return None
    return [one for one in _given(invoice) if one.amount > 0]


def is_final(invoice: Document) -> bool:
    """Whether it was ever sent or charged: its lines then stay as they are."""
    return invoice["status_transitions"]["finalized_at"] is not None


def _given(invoice: Document) -> Iterator[GivenOnInvoice]:
    yield from _given_up(invoice)
    if not is_final(invoice):
        return
    at = _time(invoice["status_transitions"]["finalized_at"])
    for line, total in zip(invoice["lines"]["data"], line_totals(invoice), strict=True):
        item = (line["parent"] or {}).get("invoice_item_details")
        if item is not None and not item["proration"]:
            yield GivenOnInvoice(
                kind=CaseObject.INVOICE_ITEM, object=item["invoice_item"], amount=-total, at=at
            )
    for one in invoice.get("total_discount_amounts") or ():
        yield GivenOnInvoice(
            kind=CaseObject.DISCOUNT, object=id_of(one["discount"]), amount=one["amount"], at=at
        )


def _given_up(invoice: Document) -> Iterator[GivenOnInvoice]:
    """Stripe says that nothing remains of a void one: what did is what was due and not paid.

    Of a paid one it is what somebody said was paid outside of Stripe: no money was seen.
    """
    moved = invoice["status_transitions"]
    written_off, voided = moved["marked_uncollectible_at"], moved["voided_at"]
    if invoice["status"] == "paid":
        left = invoice.get("amount_paid_off_stripe") or 0
    else:
        left = invoice["amount_due"] - invoice["amount_paid"]
    if written_off is not None:
        yield GivenOnInvoice(
            kind=CaseObject.WRITE_OFF, object=invoice["id"], amount=left, at=_time(written_off)
        )
        left = 0
    if voided is not None:
        back = (invoice.get("ending_balance") or 0) - invoice["starting_balance"]
        yield GivenOnInvoice(
            kind=CaseObject.VOID, object=invoice["id"], amount=left + max(back, 0), at=_time(voided)
        )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
