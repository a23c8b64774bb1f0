"""Invoice payments: which payment intent pays which invoice.

https://docs.stripe.com/api/invoice-payment
"""

from stripe.params import InvoicePaymentListParams, InvoicePaymentRetrieveParams

from ..core.filters import within
from ..core.kernel import Ctx, Obj, expandable, list_object, route

KIND = "invoice_payment"


def open_payment(ctx: Ctx, invoice: Obj, intent: Obj) -> Obj:
    """Tie a payment intent to an invoice as its default payment."""
    for other in ctx.store.related(KIND, "invoice", invoice["id"]):
        if other["is_default"]:
            other["is_default"] = False
            ctx.store.put(other)
    intent["_invoice"] = invoice["id"]
    return _tie(ctx, invoice, intent, is_default=True)


def add_payment(ctx: Ctx, invoice: Obj, intent: Obj) -> Obj:
    """Tie a payment intent of one's own to an invoice, beside the default payment."""
    intent["_attached"] = invoice["id"]
    return _tie(ctx, invoice, intent, is_default=False)


def _tie(ctx: Ctx, invoice: Obj, intent: Obj, *, is_default: bool) -> Obj:
    ctx.store.put(intent)
    return ctx.store.put(
        {
            "id": ctx.store.new_id("inpay"),
            "object": KIND,
            "amount_paid": None,
            "amount_requested": intent["amount"],
            "created": ctx.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": is_default,
            "livemode": False,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )


def mark_paid(ctx: Ctx, intent: Obj) -> None:
    """Note that the intent's money arrived; tells `invoice_payment.paid`."""
    for payment in ctx.store.related(KIND, "payment.payment_intent", intent["id"]):
        payment["status"], payment["amount_paid"] = "paid", intent["amount_received"]
        payment["status_transitions"]["paid_at"] = ctx.now
        ctx.store.put(payment)
        ctx.emit("invoice_payment.paid", payment)


def cancel_payment(ctx: Ctx, payment: Obj) -> None:
    """Give a payment up that was never made."""
    payment["status"] = "canceled"
    payment["status_transitions"]["canceled_at"] = ctx.now
    ctx.store.put(payment)


@route("GET", "/v1/invoice_payments/{id}", params=InvoicePaymentRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One invoice payment."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("GET", "/v1/invoice_payments", params=InvoicePaymentListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Invoice payments by invoice, status or payment, newest first."""
    params = ctx.params
    payment = params.get("payment") or {}
    if params.get("invoice"):
        found = ctx.store.related(KIND, "invoice", params["invoice"])
    elif payment.get("payment_intent"):
        found = ctx.store.related(KIND, "payment.payment_intent", payment["payment_intent"])
    else:
        found = ctx.store.all(KIND)
    wanted = [
        one
        for one in found
        if params.get("status") in (None, one["status"])
        and payment.get("type") in (None, one["payment"]["type"])
        and payment.get("payment_intent") in (None, one["payment"]["payment_intent"])
        and within(one["created"], params.get("created"))
    ]
    return ctx.page(wanted, "/v1/invoice_payments")


def _payments_of(ctx: Ctx, invoice: Obj) -> Obj:
    found = ctx.store.related(KIND, "invoice", invoice["id"])
    return list_object(found[:10], f"/v1/invoice_payments?invoice={invoice['id']}", has_more=len(found) > 10)


def _secret_of(ctx: Ctx, invoice: Obj) -> Obj | None:
    for payment in ctx.store.related(KIND, "invoice", invoice["id"]):
        if payment["is_default"]:
            intent = ctx.store.get("payment_intent", payment["payment"]["payment_intent"])
            return {"client_secret": intent["client_secret"], "type": "payment_intent"}
    return None


expandable("invoice", "payments", _payments_of)
expandable("invoice", "confirmation_secret", _secret_of)
