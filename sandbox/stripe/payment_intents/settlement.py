"""Bank debits: days after a payment was begun it settles, or comes back.

A first invoice whose debit comes back is voided and its subscription goes on; a later one is not tried again.
https://docs.stripe.com/billing/subscriptions/overview#subscription-payment-behavior
"""

from ..core.kernel import Ctx, Obj, attends
from ..invoices import endings, invoice_attachments, invoicing
from ..payments.payments import settle_debit


@attends("payment_intent")
def settle(ctx: Ctx, intent: Obj) -> None:
    """The days of a debit are over; its invoice hears how it went."""
    outcome = settle_debit(ctx, intent)
    if intent.get("_invoice"):
        invoice = ctx.store.get("invoice", intent["_invoice"])
        first = invoice["billing_reason"] == "subscription_create"
        invoice["_came_back"] = first and not outcome.paid
        invoicing.hear(ctx, invoice, outcome)
        if invoice["_came_back"]:
            endings.void(ctx, invoice)
    invoice_attachments.credit(ctx, intent)
