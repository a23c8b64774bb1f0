"""What becomes of a subscription whose trial ends while there is nothing to charge.

https://docs.stripe.com/billing/subscriptions/trials/free-trials#create-free-trials-without-payment
"""

from ..core.kernel import Ctx, Obj
from ..invoices import invoicing
from ..subscription_terms.shapes import editing, items_of
from .end import finish
from .pausing import pause

ALONE = {"expand", "proration_behavior", "trial_end"}


def without_method(ctx: Ctx, subscription: Obj) -> str | None:
    """What is done where nothing can be charged: create_invoice, pause or cancel; None: something can."""
    if subscription["collection_method"] != "charge_automatically":
        return None
    first = ctx.store.get("invoice", subscription["latest_invoice"])
    if invoicing.method_for(ctx, first) is not None:
        return None
    return str(subscription["trial_settings"]["end_behavior"]["missing_payment_method"])


def end_unpaid(ctx: Ctx, subscription: Obj) -> bool:
    """Pause or cancel, by request, a trial that `trial_end=now` ends so; gives False where it is billed.

    A request that changes anything else besides is for the update.
    """
    alone = ctx.params.get("trial_end") == "now" and ctx.params.keys() <= ALONE
    if not alone or subscription["status"] != "trialing":
        return False
    instead = without_method(ctx, subscription)
    if instead not in ("pause", "cancel"):
        return False
    with editing(ctx, subscription):
        subscription["trial_end"] = ctx.now
        for item in items_of(subscription):
            item["current_period_end"] = ctx.now
        if instead == "pause":
            pause(ctx, subscription, "trial_end_without_payment_method")
    if instead == "cancel":
        finish(ctx, subscription, ctx.now, bill_waiting=False)
    return True
