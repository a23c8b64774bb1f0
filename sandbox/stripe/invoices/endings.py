"""Invoices that end without money through Stripe: settled elsewhere, voided or written off.

https://docs.stripe.com/invoicing/overview#invoice-statuses
"""

from ..core.kernel import Ctx, Obj, invalid
from ..payments.payments import cancel_intent
from . import invoice_balance
from .invoice_payments import cancel_payment
from .invoicing import HOOKS, become_paid, note_delinquency, require_status, save


def settle_out_of_band(ctx: Ctx, invoice: Obj) -> None:
    """The customer paid in another way: nothing remains, and no money came through Stripe."""
    for payment in ctx.store.related("invoice_payment", "invoice", invoice["id"]):
        if payment["status"] == "open":
            cancel_payment(ctx, payment)
            intent = ctx.store.get("payment_intent", payment["payment"]["payment_intent"])
            if intent["status"] not in ("canceled", "succeeded"):
                cancel_intent(ctx, intent, None)
    invoice["amount_paid_off_stripe"] = invoice["amount_remaining"]
    if ctx.switches.out_of_band == "counted":
        invoice["amount_paid"] += invoice["amount_remaining"]
    invoice["amount_remaining"] = 0
    become_paid(ctx, invoice)


def void(ctx: Ctx, invoice: Obj) -> None:
    """Take an open or uncollectible invoice away for good; an applied balance goes back."""
    require_status(
        invoice,
        "open",
        "uncollectible",
        message=f"You can only pass in open invoices. This invoice isn't open, it is {invoice['status']}.",
    )
    _refuse_with_payments(ctx, invoice, "open", "paid", move="void")
    _end(ctx, invoice, "void", "voided_at", "invoice.voided")


def void_draft(ctx: Ctx, invoice: Obj) -> None:
    """Take a draft away that is never to be collected; the customer's balance isn't touched."""
    customer = ctx.store.get("customer", invoice["customer"])
    invoice["starting_balance"] = invoice["ending_balance"] = customer["balance"]
    invoice["automatically_finalizes_at"] = None
    _end(ctx, invoice, "void", "voided_at", "invoice.voided")


def mark_uncollectible(ctx: Ctx, invoice: Obj, reason: str | None) -> None:
    """Write an open invoice off."""
    require_status(
        invoice,
        "open",
        message=f"You can only mark open invoices as uncollectible: {invoice['id']} is {invoice['status']}.",
    )
    _refuse_with_payments(ctx, invoice, "open", move="mark uncollectible")
    invoice["status_details"] = {"uncollectible": {"reason": reason}}
    note_delinquency(ctx, invoice, False)
    _end(ctx, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")


def _end(ctx: Ctx, invoice: Obj, status: str, moment: str, event: str) -> None:
    invoice.update(auto_advance=False, next_payment_attempt=None, status=status)
    invoice["status_transitions"][moment] = ctx.now
    if status == "void":
        invoice["amount_remaining"] = 0
        invoice_balance.give_back(ctx, invoice)
        for payment in ctx.store.related("invoice_payment", "invoice", invoice["id"]):
            if payment["status"] == "open":
                cancel_payment(ctx, payment)
                intent = ctx.store.get("payment_intent", payment["payment"]["payment_intent"])
                if intent["status"] not in ("canceled", "succeeded"):
                    cancel_intent(ctx, intent, "void_invoice")
    save(ctx, invoice)
    ctx.emit(event, invoice)
    for hook in HOOKS.ended:
        hook(ctx, invoice)


def _refuse_with_payments(ctx: Ctx, invoice: Obj, *statuses: str, move: str) -> None:
    """Refuse a move for payments in these statuses (Stripe, Partial payments); an open default is none."""
    for payment in ctx.store.related("invoice_payment", "invoice", invoice["id"]):
        by_default = payment["is_default"] and payment["status"] == "open"
        if payment["status"] in statuses and not by_default:
            raise invalid(f"You can't {move} an invoice that has {payment['status']} payments.")
