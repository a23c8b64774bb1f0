"""Subscriptions that are paused: they bill nothing until somebody resumes them.

Pausing ends the period of each item now, credits its unused time and bills what was used. Resuming starts a
period now, or the one of the cycle that contains now; its invoice decides what the subscription is then.
https://docs.stripe.com/billing/subscriptions/pause
"""

from typing import Any

from stripe.params import SubscriptionPauseParams, SubscriptionResumeParams

from ..catalog.catalog import every, is_metered, item_charge, terms_of
from ..catalog.proration import Draft, recurring
from ..core.kernel import Ctx, Obj, invalid, public, route
from ..core.periods import period_after, period_at
from ..invoices import endings, invoicing
from ..subscription_terms.changes import Change
from ..subscription_terms.shapes import INCOMPLETE_FOR, editing, items_of, save
from ..subscription_terms.usage_lines import outstanding
from ..subscription_terms.worths import credits_of, debit_of, worths_of
from .billing import add_prorations, apply, bill_change, outcome_of
from .pending_updates import free_older_items


@route("POST", "/v1/subscriptions/{id}/pause", params=SubscriptionPauseParams, kind="subscription")
def pause_as_asked(ctx: Ctx) -> Obj:
    """Pause a running subscription; what that bills waits for an invoice, or is invoiced at once."""
    subscription = ctx.store.get("subscription", ctx.path["id"])
    change = plan_pause(ctx, subscription, ctx.params)
    with editing(ctx, subscription):
        own = add_prorations(ctx, subscription, change)
        if change.bills_now:
            bill_change(ctx, subscription, change, own, behavior="allow_incomplete", off_session=True)
        apply(ctx, subscription, outcome_of(change, [], None))
        pause(ctx, subscription, "pause_requested")
    return subscription


def plan_pause(ctx: Ctx, subscription: Obj, wanted: dict[str, Any]) -> Change:
    """What pausing now comes to. Raises 400 for a subscription that can't be paused."""
    _require_pausable(subscription)
    bill_for = wanted.get("bill_for") or {}
    since = (bill_for.get("unused_time_from") or {}).get("type", "now")
    used = (bill_for.get("outstanding_usage_through") or {}).get("type", "now")
    change = Change(ctx.now, public(items_of(subscription)))
    change.always_invoice = wanted.get("invoicing_behavior") == "invoice"
    for item in items_of(subscription):
        if since != "none":
            at = ctx.now if since == "now" else item["current_period_start"]
            change.prorations += credits_of(ctx, subscription, item, at)
    if used != "none":
        change.prorations += outstanding(ctx, subscription, ctx.now)
    for item in change.items:
        item["current_period_end"] = ctx.now
    change.metered = list(subscription["_usage"])
    change.credited = [item["id"] for item in change.items]
    return change


def pause(ctx: Ctx, subscription: Obj, why: str) -> None:
    """Pause a subscription; `why` is one of Stripe's reasons, such as trial_end_without_payment_method."""
    with editing(ctx, subscription):
        subscription["status"] = "paused"
        subscription["status_details"] = {
            "paused": {"subscription": {"type": why}, "transitioned_at": ctx.now, "type": "subscription"}
        }
    ctx.emit("customer.subscription.paused", subscription)


@route("POST", "/v1/subscriptions/{id}/resume", params=SubscriptionResumeParams, kind="subscription")
def resume(ctx: Ctx) -> Obj:
    """Resume a paused subscription: at once where nothing is to be paid, else as `payment_behavior` says."""
    subscription = ctx.store.get("subscription", ctx.path["id"])
    change = plan_resume(ctx, subscription, ctx.params)
    waits = ctx.params.get("payment_behavior") == "resume_on_payment_success"
    if subscription["_resuming"]:
        endings.void(ctx, ctx.store.get("invoice", subscription["_resuming"]["invoice"]))
    with editing(ctx, subscription):
        own = add_prorations(ctx, subscription, change)
        if not change.bills_now:
            _resumed(ctx, subscription, outcome_of(change, own, None), "active")
            return subscription
        later = not waits and ctx.switches.resume_payment == "later"
        behavior = "default_incomplete" if waits or later else "allow_incomplete"
        bill = bill_change(ctx, subscription, change, own, behavior=behavior, off_session=True)
        outcome = outcome_of(change, own, bill.invoice)
        if bill.invoice["status"] == "paid":
            _resumed(ctx, subscription, outcome, "active")
        elif waits or later:
            subscription["_resuming"] = {
                "by_attempt": later,
                "invoice": bill.invoice["id"],
                "expires_at": ctx.now + INCOMPLETE_FOR,
                "outcome": public(outcome),
            }
            if later:
                bill.invoice["next_payment_attempt"] = ctx.now + invoicing.FINALIZE_AFTER
                invoicing.save(ctx, bill.invoice)
        else:
            _resumed(ctx, subscription, outcome, "past_due" if bill.failed else "active")
    return subscription


def plan_resume(ctx: Ctx, subscription: Obj, wanted: dict[str, Any]) -> Change:
    """What resuming now comes to: a full period, or what is left of one whose anchor stays.

    Raises 400 for a subscription that isn't paused.
    """
    if subscription["status"] != "paused":
        raise invalid(
            f"Only paused subscriptions can be resumed: this one is {subscription['status']}.", param="id"
        )
    at = wanted.get("proration_date") or ctx.now
    change = Change(at, public(items_of(subscription)))
    behavior = wanted.get("proration_behavior", "create_prorations")
    change.always_invoice = behavior == "always_invoice"
    change.metered = list(subscription["_usage"])
    anew = (wanted.get("billing_cycle_anchor") or {}).get("type", "now") == "now"
    worths = worths_of(ctx, subscription, change.items)
    if anew:
        change.anchor = ctx.now
    for item in change.items:
        interval = every(item["price"])
        if anew:
            span = period_after(ctx.now, *interval, ctx.now)
        else:
            span = period_at(subscription["billing_cycle_anchor"], *interval, ctx.now)
        item["current_period_start"], item["current_period_end"] = span
        if is_metered(item["price"]):
            continue
        if anew:
            charge = item_charge(ctx.store, item, subscription["currency"])
            change.recurring.append(recurring(item["id"], charge, *span, terms_of(item)))
        elif behavior != "none":
            rest: Draft | None = debit_of(ctx, subscription, item, worths[item["id"]], span, at)
            change.prorations += [rest] if rest else []
    return change


def settle(ctx: Ctx, subscription: Obj, status: str = "active") -> None:
    """The invoice of its resumption is paid, written off or tried: the subscription goes on."""
    with editing(ctx, subscription):
        _resumed(ctx, subscription, subscription["_resuming"]["outcome"], status)


def stay_paused(ctx: Ctx, subscription: Obj, invoice: Obj) -> None:
    """The invoice of its resumption is void: it stays paused, and what waited before waits on."""
    subscription["_resuming"] = None
    free_older_items(ctx, invoice)
    save(ctx, subscription)


def give_up(ctx: Ctx, subscription: Obj) -> None:
    """The invoice of its resumption was not paid in time: it is voided."""
    endings.void(ctx, ctx.store.get("invoice", subscription["_resuming"]["invoice"]))


def resumes_by(subscription: Obj, invoice: Obj) -> bool:
    """Whether the subscription waits for this invoice to go on."""
    return bool(subscription["_resuming"] and subscription["_resuming"]["invoice"] == invoice["id"])


def resumes_by_attempt(subscription: Obj, invoice: Obj) -> bool:
    """Whether this invoice only has to be tried for the subscription to go on."""
    return resumes_by(subscription, invoice) and bool(subscription["_resuming"]["by_attempt"])


def _resumed(ctx: Ctx, subscription: Obj, outcome: dict[str, Any], status: str) -> None:
    subscription["status"], subscription["_resuming"] = status, None
    subscription["status_details"] = None
    apply(ctx, subscription, outcome)
    ctx.emit("customer.subscription.resumed", subscription)


def _require_pausable(subscription: Obj) -> None:
    why = None
    if subscription["status"] not in ("active", "past_due", "unpaid"):
        why = f"its status is {subscription['status']}"
    elif subscription["billing_mode"]["type"] != "flexible":
        why = "it is not in flexible billing mode"
    elif subscription["collection_method"] != "charge_automatically":
        why = "its invoices are sent"
    elif subscription["schedule"]:
        why = "it is managed by a subscription schedule"
    if why:
        raise invalid(f"You cannot pause this subscription: {why}.", param="id")
