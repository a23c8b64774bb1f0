"""What invoices do to their subscription: paid, failed, voided or written off.

https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
"""

from ..core.kernel import Ctx, Obj
from ..discounts import discounts
from ..invoices.invoicing import HOOKS
from ..subscription_terms.schedule_follows import follow
from ..subscription_terms.shapes import editing, in_trial, items_of
from ..taxes import automatic_tax
from . import pausing, pending_updates
from .end import finish


def subscription_of(ctx: Ctx, invoice: Obj) -> Obj | None:
    """The subscription that an invoice bills."""
    if not invoice["parent"]:
        return None
    return ctx.store.find("subscription", invoice["parent"]["subscription_details"]["subscription"])


def on_finalized(ctx: Ctx, invoice: Obj) -> None:
    """A final invoice uses up discounts; one that came without its customer's place ends automatic tax."""
    subscription = subscription_of(ctx, invoice)
    if subscription is None:
        return
    with editing(ctx, subscription):
        subscription["discounts"] = discounts.running(ctx, subscription["discounts"])
        for item in items_of(subscription):
            item["discounts"] = discounts.running(ctx, item["discounts"])
        if invoice["automatic_tax"]["disabled_reason"] and subscription["automatic_tax"]["enabled"]:
            subscription["automatic_tax"] = automatic_tax.of_subscription(False, "requires_location_inputs")
            follow(ctx, subscription, ("automatic_tax",))


def on_paid(ctx: Ctx, invoice: Obj) -> None:
    """A paid invoice applies the update that waited for it, starts a subscription or ends its arrears."""
    subscription = subscription_of(ctx, invoice)
    if subscription is None:
        return
    if _pends_on(subscription, invoice):
        pending_updates.settle(ctx, subscription)
    if pausing.resumes_by(subscription, invoice):
        pausing.settle(ctx, subscription)
    first = invoice["billing_reason"] == "subscription_create"
    starts = subscription["status"] == "incomplete" and first
    if starts or _recovers(ctx, subscription):
        with editing(ctx, subscription):
            subscription["status"] = "active"


def on_processing(ctx: Ctx, invoice: Obj) -> None:
    """A subscription whose first invoice is being debited is active at once.

    https://docs.stripe.com/billing/subscriptions/overview#subscription-payment-behavior
    """
    subscription = subscription_of(ctx, invoice)
    first = invoice["billing_reason"] == "subscription_create"
    if subscription is not None and pausing.resumes_by_attempt(subscription, invoice):
        pausing.settle(ctx, subscription)
    if subscription is not None and subscription["status"] == "incomplete" and first:
        with editing(ctx, subscription):
            subscription["status"] = "active"


def on_failed(ctx: Ctx, invoice: Obj) -> None:
    """A failed payment puts a running subscription in arrears, unless it is a pending update's.

    Nor does a first invoice do that whose debit came back: it is void at once.
    """
    subscription = subscription_of(ctx, invoice)
    if subscription is None or _pends_on(subscription, invoice):
        return
    if invoice.get("_holds_update") or invoice.get("_came_back"):
        return
    if pausing.resumes_by_attempt(subscription, invoice):
        pausing.settle(ctx, subscription, "past_due")
    if subscription["status"] in ("active", "trialing") and not in_trial(subscription, ctx.now):
        with editing(ctx, subscription):
            subscription["status"] = "past_due"
    given_up = invoice["attempt_count"] > len(ctx.account.retry_days) and invoice["auto_advance"]
    if given_up and subscription["status"] == "past_due":
        _give_up(ctx, subscription)


def _give_up(ctx: Ctx, subscription: Obj) -> None:
    """All attempts failed: the account's settings say what becomes of the subscription."""
    if ctx.account.after_retries == "cancel":
        subscription["cancellation_details"]["reason"] = "payment_failed"
        finish(ctx, subscription, ctx.now, bill_waiting=False)
    elif ctx.account.after_retries == "unpaid":
        with editing(ctx, subscription):
            subscription["status"] = "unpaid"
    elif ctx.account.after_retries == "pause":
        pausing.pause(ctx, subscription, "final_payment_failure")


def on_ended(ctx: Ctx, invoice: Obj) -> None:
    """A voided or written-off invoice is no arrears any more, and no update waits for it."""
    subscription = subscription_of(ctx, invoice)
    if subscription is None:
        return
    if _pends_on(subscription, invoice):
        pending_updates.forget_voided(ctx, subscription)
        pending_updates.free_older_items(ctx, invoice)
    if pausing.resumes_by(subscription, invoice) and invoice["status"] == "void":
        pausing.stay_paused(ctx, subscription, invoice)
    elif pausing.resumes_by(subscription, invoice):
        pausing.settle(ctx, subscription)
    first = invoice["billing_reason"] == "subscription_create"
    if _recovers(ctx, subscription):
        with editing(ctx, subscription):
            subscription["status"] = "active"
    elif subscription["status"] == "incomplete" and invoice["status"] == "void" and first:
        with editing(ctx, subscription):
            subscription["status"], subscription["ended_at"] = "incomplete_expired", ctx.now


def _recovers(ctx: Ctx, subscription: Obj) -> bool:
    """Whether arrears are over: the latest invoice is paid or written off. Void ones do not count, nor drafts
    unless the subscription is unpaid, nor one that only an update waits for."""
    if subscription["status"] not in ("past_due", "unpaid"):
        return False
    passed_over = ("void",) if subscription["status"] == "unpaid" else ("void", "draft")
    invoices = ctx.store.related("invoice", "parent.subscription_details.subscription", subscription["id"])
    counted = (
        one
        for one in invoices
        if one["status"] not in passed_over and not (one.get("_holds_update") and one["status"] != "paid")
    )
    latest = next(counted, None)
    return latest is None or latest["status"] in ("paid", "uncollectible")


def _pends_on(subscription: Obj, invoice: Obj) -> bool:
    return bool(subscription["_pending"] and subscription["_pending"]["invoice"] == invoice["id"])


HOOKS.finalized.append(on_finalized)
HOOKS.paid.append(on_paid)
HOOKS.processing.append(on_processing)
HOOKS.failed.append(on_failed)
HOOKS.ended.append(on_ended)
