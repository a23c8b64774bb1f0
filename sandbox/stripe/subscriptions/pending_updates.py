"""Updates that wait for their payment (`payment_behavior=pending_if_incomplete`).

The items stay as they are until the invoice is paid; an expired, voided or replaced update is forgotten and
its invoice voided. https://docs.stripe.com/billing/subscriptions/pending-updates
"""

from typing import Any

from ..core.kernel import Ctx, Obj, invalid, public
from ..customers import test_banks
from ..invoices import endings, invoicing
from ..invoices.pending_items import release
from ..subscription_terms.shapes import INCOMPLETE_FOR, editing, period_end, save
from .billing import apply

SUPPORTED = {
    "add_invoice_items",
    "billing_cycle_anchor",
    "cancel_at_period_end",
    "expand",
    "items",
    "metadata",
    "off_session",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
    "trial_from_plan",
}
"""What may be sent together with `pending_if_incomplete`; of what a newer page of Stripe adds, this
stand-in has not `discounts`."""


def check_supported(ctx: Ctx, subscription: Obj, params: dict[str, Any]) -> None:
    """Refuse what a pending update can't hold, and how it can't be paid."""
    wrong = sorted(set(params) - SUPPORTED)
    if wrong:
        raise invalid(
            "When `payment_behavior` is `pending_if_incomplete`, you can only pass supported params: "
            f"{wrong[0]} is not one of them.",
            param=wrong[0],
        )
    if subscription["collection_method"] != "charge_automatically":
        raise invalid(
            "`payment_behavior=pending_if_incomplete` needs `collection_method=charge_automatically`.",
            param="payment_behavior",
        )
    chosen = subscription["default_payment_method"] or invoicing.default_method(ctx, subscription["customer"])
    method = ctx.store.find("payment_method", chosen) if chosen else None
    if method and method["type"] in (test_banks.US, test_banks.SEPA):
        raise invalid(
            "`payment_behavior=pending_if_incomplete` is not supported for bank debits.",
            param="payment_behavior",
        )


def hold(ctx: Ctx, subscription: Obj, invoice: Obj, outcome: dict[str, Any], more: dict[str, Any]) -> None:
    """Keep the outcome of an unpaid update until its invoice is paid; `more` is what else it changes."""
    limit = ctx.now + INCOMPLETE_FOR
    moments = [limit, period_end(subscription), outcome["trial_end"] or limit]
    subscription["pending_update"] = {
        "billing_cycle_anchor": outcome["anchor"],
        "expires_at": min(moments),
        "subscription_items": public(outcome["items"]),
        "trial_end": outcome["trial_end"],
        "trial_from_plan": None,
        **more,
    }
    subscription["_pending"] = {"invoice": invoice["id"], "outcome": public(outcome), "more": more}
    save(ctx, subscription)


def settle(ctx: Ctx, subscription: Obj) -> None:
    """Its invoice was paid: the update happens."""
    pending = subscription["_pending"]
    with editing(ctx, subscription):
        _forget(subscription)
        apply(ctx, subscription, pending["outcome"])
        subscription.update(pending["more"])
        ctx.emit("customer.subscription.pending_update_applied", subscription)


def expire(ctx: Ctx, subscription: Obj) -> None:
    """Its time is over: the invoice is voided and nothing changes."""
    with editing(ctx, subscription):
        _drop(ctx, subscription)
        ctx.emit("customer.subscription.pending_update_expired", subscription)


def discard(ctx: Ctx, subscription: Obj) -> None:
    """Another change takes its place, or the subscription ends."""
    if subscription["_pending"]:
        _drop(ctx, subscription)


def forget_voided(ctx: Ctx, subscription: Obj) -> None:
    """Its invoice was voided or written off by hand."""
    with editing(ctx, subscription):
        _forget(subscription)


def free_older_items(ctx: Ctx, invoice: Obj) -> None:
    """What already waited before the update goes back to waiting when the update's invoice is voided."""
    own = invoice.get("_own", [])
    for item in ctx.store.related("invoiceitem", "invoice", invoice["id"]):
        if item["id"] not in own:
            release(ctx, item)


def _drop(ctx: Ctx, subscription: Obj) -> None:
    invoice = ctx.store.get("invoice", subscription["_pending"]["invoice"])
    with editing(ctx, subscription):
        _forget(subscription)
    if invoice["status"] in ("open", "uncollectible"):
        endings.void(ctx, invoice)
        free_older_items(ctx, invoice)


def _forget(subscription: Obj) -> None:
    subscription["pending_update"] = None
    subscription["_pending"] = None
