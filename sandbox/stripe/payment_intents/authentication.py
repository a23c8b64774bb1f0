"""3-D Secure: a customer authenticates a payment that waits for it, or does not.

https://docs.stripe.com/payments/3d-secure/authentication-flow
"""

from ..core.kernel import Ctx, Obj, invalid
from ..invoices import invoice_attachments, invoicing
from ..payments.payments import authenticated, not_authenticated

KIND = "payment_intent"


def conclude(ctx: Ctx, intent: Obj, *, passes: bool) -> None:
    """The bank's answer: the payment is tried, or needs another method; its invoice hears of it.

    Raises 400 when nothing waits for an answer.
    """
    if intent["status"] != "requires_action":
        raise invalid(
            f"This PaymentIntent's status is {intent['status']}: nobody has to authenticate it.",
            code="payment_intent_unexpected_state",
        )
    outcome = authenticated(ctx, intent) if passes else not_authenticated(ctx, intent)
    if intent.get("_invoice"):
        invoicing.hear(ctx, ctx.store.get("invoice", intent["_invoice"]), outcome)
    invoice_attachments.credit(ctx, intent)
