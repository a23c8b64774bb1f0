"""Subscriptions that are paused: they bill nothing until somebody resumes them.

https://docs.stripe.com/billing/subscriptions/pause
"""

from ..core.kernel import Ctx, Obj
from ..subscription_terms.shapes import editing


def pause(ctx: Ctx, subscription: Obj, why: str) -> None:
    """Pause a subscription; `why` is one of Stripe's reasons, such as trial_end_without_payment_method."""
    with editing(ctx, subscription):
        subscription["status"] = "paused"
        subscription["status_details"] = {
            "paused": {"subscription": {"type": why}, "transitioned_at": ctx.now, "type": "subscription"}
        }
    ctx.emit("customer.subscription.paused", subscription)
