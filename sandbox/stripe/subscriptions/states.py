"""What invoices do to their subscription: paid, failed, voided or written off.

https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
"""

from ..core.kernel import Ctx, Obj
from ..discounts import discounts
from ..invoices.invoicing import HOOKS
from ..subscription_terms.shapes import editing, in_trial, items_of
from ..taxes import automatic_tax
from . import pending_updates
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


def on_paid(ctx: Ctx, invoice: Obj) -> None:
    """A paid invoice applies the update that waited for it, starts a subscription or ends its arrears."""
    subscription = subscription_of(ctx, invoice)
    if subscription is None:
        return
    if _pends_on(subscription, invoice):
        pending_updates.settle(ctx, subscription)
    first = invoice["billing_reason"] == "subscription_create"
    starts = subscription["status"] == "incomplete" and first
    recovers = (
        subscription["status"] in ("past_due", "unpaid") and subscription["latest_invoice"] == invoice["id"]
    )
    if starts or recovers:
        with editing(ctx, subscription):
            subscription["status"] = "active"


def on_failed(ctx: Ctx, invoice: Obj) -> None:
    """A failed payment puts a running subscription in arrears, unless it is a pending update's."""
    subscription = subscription_of(ctx, invoice)
    if subscription is None or _pends_on(subscription, invoice) or invoice.get("_holds_update"):
        return
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


def on_ended(ctx: Ctx, invoice: Obj) -> None:
    """A voided or written-off invoice is no arrears any more, and no update waits for it."""
    subscription = subscription_of(ctx, invoice)
    if subscription is None:
        return
    if _pends_on(subscription, invoice):
        pending_updates.forget_voided(ctx, subscription)
        pending_updates.free_older_items(ctx, invoice)
    if subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] in ("past_due", "unpaid"):
        with editing(ctx, subscription):
            subscription["status"] = "active"
    elif subscription["status"] == "incomplete" and invoice["status"] == "void":
        with editing(ctx, subscription):
            subscription["status"], subscription["ended_at"] = "incomplete_expired", ctx.now


def _pends_on(subscription: Obj, invoice: Obj) -> bool:
    return bool(subscription["_pending"] and subscription["_pending"]["invoice"] == invoice["id"])


HOOKS.finalized.append(on_finalized)
HOOKS.paid.append(on_paid)
HOOKS.failed.append(on_failed)
HOOKS.ended.append(on_ended)
