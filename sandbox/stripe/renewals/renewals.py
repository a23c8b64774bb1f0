"""What time does to billing: renewals, finalization, collection, ends of trials, updates and subscriptions.

Every object that waits for a time carries it as `_due`; the earliest is found without looking at the others.
https://docs.stripe.com/billing/subscriptions/overview, …/invoices/subscription#subscription-lifecycle-events
"""

from math import inf

from ..core.kernel import Ctx, Obj, attends, public
from ..invoices import addressees, invoicing
from ..invoices.invoice_lines import all_lines
from ..invoices.pending_items import pending_items
from ..subscription_terms.renewal_lines import renew_items
from ..subscription_terms.shapes import LIVE, debit_of_line, editing, items_of, period_end, save, set_items
from ..subscription_terms.usage_lines import gone, restart
from ..subscriptions import pausing, pending_updates, trial_ends
from ..subscriptions.billing import book_debits
from ..subscriptions.end import expire_incomplete, finish
from ..subscriptions.withheld import withhold
from .schedule_changes import enter_phase_if_due


@attends("invoice")
def attend_invoice(ctx: Ctx, invoice: Obj) -> None:
    """A draft is finalized and collected, an open invoice tried again, an unpaid one overdue."""
    waits = not invoice["parent"] or ctx.switches.unplaced_renewals == "draft"
    if invoice["status"] == "draft" and waits and (why := addressees.not_found(ctx, invoice)):
        invoicing.stay_draft(ctx, invoice, why)
    elif invoice["status"] == "draft":
        invoicing.finalize(ctx, invoice)
        if invoice["status"] == "open":
            _collect(ctx, invoice)
    elif invoice["collection_method"] == "send_invoice":
        invoice["_overdue"] = True
        invoicing.save(ctx, invoice)
        ctx.emit("invoice.overdue", invoice)
        invoicing.in_arrears(ctx, invoice)
    else:
        _collect(ctx, invoice)


def _collect(ctx: Ctx, invoice: Obj) -> None:
    if invoice["collection_method"] == "send_invoice":
        ctx.emit("invoice.sent", invoice)
        return
    invoice["next_payment_attempt"] = None
    method = invoicing.method_for(ctx, invoice)
    if method is None:
        before = public(invoice)
        invoice["attempted"], invoice["attempt_count"] = True, invoice["attempt_count"] + 1
        invoicing.fail(ctx, invoice, None, before)
    elif invoice.get("_hard_declined") == method:
        invoicing.pass_over(ctx, invoice)
    else:
        invoicing.attempt(ctx, invoice, method)


@attends("subscription")
def attend_subscription(ctx: Ctx, subscription: Obj) -> None:
    """Whatever is due on a subscription now, one thing at a time."""
    pending = subscription["pending_update"]
    if subscription["status"] == "incomplete":
        expire_incomplete(ctx, subscription)
    elif pending and pending["expires_at"] <= ctx.now:
        pending_updates.expire(ctx, subscription)
    elif subscription["status"] == "trialing" and (subscription["_tell_trial_end"] or inf) <= ctx.now:
        subscription["_tell_trial_end"] = None
        save(ctx, subscription)
        ctx.emit("customer.subscription.trial_will_end", subscription)
    elif (paused := subscription["pause_collection"]) and (paused["resumes_at"] or inf) <= ctx.now:
        with editing(ctx, subscription):
            subscription["pause_collection"] = None
    elif (held := subscription["_resuming"]) and held["expires_at"] <= ctx.now:
        pausing.give_up(ctx, subscription)
    elif subscription["cancel_at"] is not None and subscription["cancel_at"] <= ctx.now:
        finish(ctx, subscription, ctx.now, bill_waiting=True)
    elif (instead := _instead_of_trial_end(ctx, subscription)) == "pause":
        pausing.pause(ctx, subscription, "trial_end_without_payment_method")
    elif instead == "cancel":
        finish(ctx, subscription, ctx.now, bill_waiting=False)
    elif subscription["status"] in LIVE:
        enter_phase_if_due(ctx, subscription)
        renew(ctx, subscription)


def _instead_of_trial_end(ctx: Ctx, subscription: Obj) -> str | None:
    """What is done, instead of billing, where a trial ends and there is nothing to charge."""
    if subscription["status"] != "trialing" or period_end(subscription) > ctx.now:
        return None
    return trial_ends.without_method(ctx, subscription)


def renew(ctx: Ctx, subscription: Obj) -> None:
    """Start the next period of every item whose period is over, and draw its invoice; a trial ends by it."""
    customer = ctx.store.get("customer", subscription["customer"])
    ended = [item for item in items_of(subscription) if item["current_period_end"] <= ctx.now]
    if not ended:
        save(ctx, subscription)
        return
    start = min(item["current_period_start"] for item in ended)
    with editing(ctx, subscription):
        items, drafts = renew_items(ctx, subscription, ctx.now)
        if subscription["status"] == "trialing":
            subscription["status"] = "active"
        set_items(subscription, items)
        restart(subscription, [*(item["id"] for item in ended), *gone(subscription)], ctx.now)
        invoice = invoicing.draw_up(
            ctx,
            customer,
            currency=subscription["currency"],
            reason="subscription_cycle",
            items=pending_items(ctx.store, customer["id"], subscription["id"]),
            drafts=drafts,
            subscription=subscription,
            period=(start, ctx.now),
            automatically_finalizes_at=ctx.now + invoicing.FINALIZE_AFTER,
        )
        subscription["latest_invoice"] = invoice["id"]
        withhold(ctx, subscription, invoice)
        lines = [debit_of_line(line) for line in all_lines(invoice) if line["period"]["start"] >= ctx.now]
        book_debits(subscription, [item["id"] for item in ended], [line for line in lines if line])
