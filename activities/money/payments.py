"""Payments with everything that was refunded of them, by themselves or by the invoice that they paid.

Every function raises StripeError as the SDK does.
"""

from dataclasses import replace
from typing import Any

import stripe

from ..mirror.objects.dispute import disputes_of
from ..mirror.objects.payment import PaymentSnapshot
from ..mirror.objects.snapshot import Document

PAGE = 100
"""The most that Stripe gives at a time."""


async def payment(client: stripe.StripeClient, payment_intent: str) -> PaymentSnapshot:
    """The payment with all its refunds, the newest first, and its disputes, if it was ever disputed.

    Its sum and its newest refunds come in one answer, so that they agree whoever refunds meanwhile.
    """
    snapshot = await PaymentSnapshot.read(client, payment_intent)
    if snapshot.held_by_dispute is None:
        snapshot = replace(snapshot, disputes=await disputes_of(client, payment_intent))
    listed = ((snapshot.charge or {}).get("refunds") or {}).get("has_more")
    if not listed:
        return snapshot
    older: Any = {
        "payment_intent": payment_intent,
        "starting_after": snapshot.refunds[-1]["id"],
        "limit": PAGE,
    }
    page = await client.v1.refunds.list_async(older)
    refunds = [refund.to_dict() async for refund in page.auto_paging_iter()]
    return replace(snapshot, refunds=(*snapshot.refunds, *refunds))


async def payments_of(client: stripe.StripeClient, invoice: str) -> list[PaymentSnapshot]:
    """The payments that have paid an invoice, the oldest first; what was paid elsewhere is not among them."""
    paid: Any = {"invoice": invoice, "status": "paid", "limit": PAGE}
    page = await client.v1.invoice_payments.list_async(paid)
    links = [link.to_dict() async for link in page.auto_paging_iter()]
    links.reverse()  # those of the same second too are the oldest first
    intents = [link["payment"].get("payment_intent") for link in sorted(links, key=_paid_at)]
    return [replace(await payment(client, intent), invoice=invoice) for intent in intents if intent]


async def notes_of(client: stripe.StripeClient, invoice: Document) -> list[Document]:
    """The invoice's credit notes that gave anything back; none are asked for where there are none."""
    if not invoice["post_payment_credit_notes_amount"]:
        return []
    notes = await all_notes_of(client, invoice)
    return [note for note in notes if note["status"] == "issued" and note["post_payment_amount"]]


async def all_notes_of(client: stripe.StripeClient, invoice: Document) -> list[Document]:
    """The invoice's credit notes, voided ones too."""
    page = await client.v1.credit_notes.list_async({"invoice": invoice["id"], "limit": PAGE})
    return [note.to_dict() async for note in page.auto_paging_iter()]


async def lines_of_note(client: stripe.StripeClient, note: Document) -> list[Document]:
    """All of a credit note's lines; it embeds its first ten only."""
    lines = note["lines"]
    if not lines["has_more"]:
        return list(lines["data"])
    page = await client.v1.credit_notes.line_items.list_async(note["id"], {"limit": PAGE})
    return [line.to_dict() async for line in page.auto_paging_iter()]


def _paid_at(link: Document) -> int:
    return int(link["status_transitions"]["paid_at"] or link["created"])
