"""Partial payments: payment intents of one's own that pay a part of an invoice.

The default payment of the invoice goes on asking for what remains.
https://docs.stripe.com/invoicing/partial-payments, https://docs.stripe.com/api/invoices/attach_payment
"""

from stripe.params import InvoiceAttachPaymentParams

from ..core.amounts import text
from ..core.kernel import Ctx, Obj, invalid, route
from ..core.params import missing_param
from ..core.updates import not_built
from . import invoicing
from .invoice_payments import KIND, add_payment, cancel_payment


@route("POST", "/v1/invoices/{id}/attach_payment", params=InvoiceAttachPaymentParams, kind="invoice")
def attach(ctx: Ctx) -> Obj:
    """Let a payment intent pay a part of an open invoice; one that succeeded is credited at once."""
    not_built(ctx, "payment_record")
    invoice = ctx.store.get("invoice", ctx.path["id"])
    if "payment_intent" not in ctx.params:
        raise missing_param("payment_intent")
    intent = ctx.store.get("payment_intent", ctx.params["payment_intent"], param="payment_intent", status=400)
    _check(invoice, intent)
    add_payment(ctx, invoice, intent)
    credit(ctx, intent)
    return invoice


def credit(ctx: Ctx, intent: Obj) -> None:
    """Book an attached intent's money on its invoice, if it has come in and is not booked yet."""
    payment = _payment_of(ctx, intent)
    if payment is not None and payment["status"] == "open" and intent["status"] == "succeeded":
        invoicing.receive(ctx, ctx.store.get("invoice", payment["invoice"]), intent)


def ask_for(ctx: Ctx, intent: Obj) -> None:
    """Carry an attached intent's amount over to its payment."""
    payment = _payment_of(ctx, intent)
    if payment is not None:
        payment["amount_requested"] = intent["amount"]
        ctx.store.put(payment)


def give_up(ctx: Ctx, intent: Obj) -> None:
    """The payment of an attached intent that was cancelled."""
    payment = _payment_of(ctx, intent)
    if payment is not None:
        cancel_payment(ctx, payment)


def _payment_of(ctx: Ctx, intent: Obj) -> Obj | None:
    if not intent.get("_attached"):
        return None
    [payment] = ctx.store.related(KIND, "payment.payment_intent", intent["id"])
    return payment


def _check(invoice: Obj, intent: Obj) -> None:
    if invoice["status"] != "open":
        raise invalid(f"You can only attach payments to open invoices. This one is {invoice['status']}.")
    if invoice["parent"] and invoice["collection_method"] == "charge_automatically":
        raise invalid("Invoices of subscriptions that are charged automatically take no partial payments.")
    if intent.get("_invoice") or intent.get("_attached"):
        raise invalid(f"The PaymentIntent {intent['id']} already pays an invoice.", param="payment_intent")
    if intent["status"] == "canceled":
        raise invalid(f"The PaymentIntent {intent['id']} is canceled.", param="payment_intent")
    for name in ("customer", "currency"):
        if intent[name] != invoice[name]:
            raise invalid(
                f"The {name} of the PaymentIntent must be that of the invoice.", param="payment_intent"
            )
    if intent["amount"] > invoice["amount_remaining"]:
        asked, rest = (
            text(amount, invoice["currency"]) for amount in (intent["amount"], invoice["amount_remaining"])
        )
        raise invalid(
            f"The PaymentIntent's amount ({asked}) is more than what remains to be paid ({rest}).",
            param="payment_intent",
        )
