"""2025-03-31.basil: an invoice has any number of payments; it had one payment intent and one charge.

https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices
"""

from ..core.kernel import Ctx, Obj
from .registry import answers

VERSION = "2025-03-31.basil"
PAYMENT = "invoice_payment"


@answers(VERSION, "invoice")
def invoice(ctx: Ctx, shown: Obj) -> None:
    """Its default payment as fields."""
    if "status" not in shown:
        return
    intent = None
    for payment in ctx.store.related(PAYMENT, "invoice", shown.get("id")):
        if payment["is_default"] and payment["payment"].get("payment_intent"):
            intent = ctx.store.find("payment_intent", payment["payment"]["payment_intent"])
    shown.update(
        application_fee_amount=None,
        charge=intent["latest_charge"] if intent else None,
        paid=shown["status"] == "paid",
        paid_out_of_band=shown["status"] == "paid" and intent is None and shown.get("amount_due", 0) > 0,
        payment_intent=intent["id"] if intent else None,
        transfer_data=None,
    )


@answers(VERSION, "payment_intent")
def intent(ctx: Ctx, shown: Obj) -> None:
    """The invoice that it pays."""
    if "id" in shown:
        shown["invoice"] = _invoice_of(ctx, shown["id"])


@answers(VERSION, "charge")
def charge(ctx: Ctx, shown: Obj) -> None:
    """The invoice that it paid."""
    if "id" in shown:
        shown["invoice"] = _invoice_of(ctx, shown.get("payment_intent"))


def _invoice_of(ctx: Ctx, intent: str | Obj | None) -> str | None:
    id = intent["id"] if isinstance(intent, dict) else intent
    found = ctx.store.related(PAYMENT, "payment.payment_intent", id) if id else []
    return found[0]["invoice"] if found else None
