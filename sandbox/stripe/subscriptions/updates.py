"""Updating a subscription: plan the change, bill it, charge it, and only then (or later) make it true.

| `payment_behavior` | when the immediate invoice can't be paid |
|---|---|
| allow_incomplete (default) | the change holds, the subscription is past due, the invoice open |
| default_incomplete | no attempt is made: the same, waiting for a confirmation |
| error_if_incomplete | 402, nothing changed |
| pending_if_incomplete | the items stay, the update waits for the invoice |

https://docs.stripe.com/billing/subscriptions/upgrade-downgrade
"""

from typing import Any

from ..core.kernel import Ctx, Obj, invalid, merge_metadata
from ..core.updates import without_effect
from ..invoices import invoicing
from ..invoices.pending_items import extra_item, keep
from ..subscription_terms.cancellations import plan_cancellation, shorten_debits
from ..subscription_terms.changes import CHANGES_BILLING, Change, plan
from ..subscription_terms.schedule_follows import follow
from ..subscription_terms.shapes import editing
from ..subscription_terms.terms import refuse_unsupported, take_cancellation, take_pricing, take_terms
from . import pending_updates, trial_ends
from .billing import add_prorations, apply, bill_change, outcome_of

OF_BILLING = ("off_session", "payment_behavior", "proration_behavior", "proration_date")
"""How a change is billed."""


def update(ctx: Ctx, subscription: Obj) -> Obj:
    """Do what the request asks of a subscription."""
    refuse_unsupported(ctx)
    without_effect(ctx, *OF_BILLING)  # where nothing is billed
    _require_live(ctx, subscription)
    if trial_ends.end_unpaid(ctx, subscription):
        return subscription
    params = ctx.params
    pending = params.get("payment_behavior") == "pending_if_incomplete"
    if pending:
        pending_updates.check_supported(ctx, subscription, params)
    with editing(ctx, subscription):
        take_pricing(ctx, subscription, params)
        billing = any(name in params for name in CHANGES_BILLING)
        ending = plan_cancellation(ctx, subscription, params)
        change = plan(ctx, subscription, params) if billing else ending
        if change is not None:
            pending_updates.discard(ctx, subscription)
        if not pending:
            take_terms(ctx, subscription)
            take_cancellation(ctx, subscription)
        for extra in params.get("add_invoice_items", []):
            keep(ctx, extra_item(ctx, subscription["customer"], subscription["id"], extra))
        applied = change is None or carry_out(ctx, subscription, change, params)
        if ending is not None:
            shorten_debits(subscription)
        if pending and applied:
            take_terms(ctx, subscription)
            take_cancellation(ctx, subscription)
        if applied:
            follow(ctx, subscription, params)
    return subscription


def carry_out(ctx: Ctx, subscription: Obj, change: Change, params: dict[str, Any]) -> bool:
    """Bill a planned change and apply it; gives False when it waits for its payment instead."""
    own = add_prorations(ctx, subscription, change)
    if not change.bills_now:
        apply(ctx, subscription, outcome_of(change, own, None))
        return True
    behavior = params.get("payment_behavior", "allow_incomplete")
    bill = bill_change(
        ctx, subscription, change, own, behavior=behavior, off_session=params.get("off_session", False)
    )
    outcome = outcome_of(change, own, bill.invoice)
    if bill.failed and behavior == "pending_if_incomplete":
        pending_updates.hold(ctx, subscription, bill.invoice, outcome, _more(subscription, params))
        return False
    apply(ctx, subscription, outcome)
    charges = subscription["collection_method"] == "charge_automatically"
    waits = bill.invoice["status"] == "open" and not invoicing.is_processing(ctx, bill.invoice)
    if waits and charges and subscription["status"] != "trialing":
        subscription["status"] = "past_due"
    return True


def _more(subscription: Obj, params: dict[str, Any]) -> dict[str, Any]:
    """What else a pending update will change."""
    more: dict[str, Any] = {}
    if "metadata" in params:
        more["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    if "cancel_at_period_end" in params:
        more["cancel_at_period_end"] = params["cancel_at_period_end"]
    return more


def _require_live(ctx: Ctx, subscription: Obj) -> None:
    allowed = {"cancellation_details", "expand", "metadata"}
    if subscription["status"] in ("canceled", "incomplete_expired") and set(ctx.params) - allowed:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    if subscription["status"] == "incomplete" and any(name in ctx.params for name in CHANGES_BILLING):
        raise invalid(
            "This subscription's first invoice is not paid: it can't be changed before. "
            "Pay the invoice, or cancel the subscription.",
            param=next(name for name in CHANGES_BILLING if name in ctx.params),
        )
