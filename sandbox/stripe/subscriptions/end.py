"""The end of a subscription: cancelled at once, at its date, or expired without a first payment."""

from ..core.kernel import Ctx, Obj, invalid
from ..customers.customers import BEFORE_DELETE
from ..invoices import endings, invoicing
from ..invoices.pending_items import keep, pending_items, proration_item, subscription_of
from ..subscription_terms.shapes import in_trial, items_of, save
from ..subscription_terms.usage_lines import outstanding
from ..subscription_terms.worths import credits_of
from . import pending_updates


def cancel_now(
    ctx: Ctx,
    subscription: Obj,
    *,
    invoice_now: bool = False,
    prorate: bool = False,
    comment: str | None = None,
    feedback: str | None = None,
) -> None:
    """End a subscription at once; raises 404 when it is over already."""
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise invalid(
            f"No such subscription: '{subscription['id']}'", code="resource_missing", param="id", status=404
        )
    if subscription["status"] == "incomplete":
        expire_incomplete(ctx, subscription)
        return
    pending_updates.discard(ctx, subscription)
    subscription.update(cancel_at=None, cancel_at_period_end=False)
    if prorate:
        _credit_unused(ctx, subscription, replace_waiting=invoice_now)
    subscription["cancellation_details"] = {
        "comment": comment,
        "feedback": feedback,
        "reason": "cancellation_requested",
    }
    finish(ctx, subscription, ctx.now, bill_waiting=invoice_now)


def finish(ctx: Ctx, subscription: Obj, at: int, *, bill_waiting: bool) -> None:
    """Close a subscription; `bill_waiting` draws a last invoice of what still waits for it."""
    subscription.update(
        canceled_at=subscription["canceled_at"] or at,
        ended_at=at,
        next_pending_invoice_item_invoice=None,
        status="canceled",
    )
    _end_schedule(ctx, subscription)
    if bill_waiting:
        _last_invoice(ctx, subscription)
    _stop_collecting(ctx, subscription)
    save(ctx, subscription)
    ctx.emit("customer.subscription.deleted", subscription)


def expire_incomplete(ctx: Ctx, subscription: Obj) -> None:
    """The first payment never came: the invoice is voided."""
    subscription.update(status="incomplete_expired", ended_at=ctx.now, canceled_at=ctx.now)
    _end_schedule(ctx, subscription)
    save(ctx, subscription)
    invoice = (
        ctx.store.find("invoice", subscription["latest_invoice"]) if subscription["latest_invoice"] else None
    )
    if invoice is not None and invoice["status"] == "open":
        endings.void(ctx, invoice)
    ctx.emit("customer.subscription.updated", subscription, {"status": "incomplete"})


def end_all(ctx: Ctx, customer: Obj) -> None:
    """A deleted customer's subscriptions end with it."""
    for subscription in ctx.store.related("subscription", "customer", customer["id"]):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            cancel_now(ctx, subscription)


def _end_schedule(ctx: Ctx, subscription: Obj) -> None:
    """A schedule ends with its subscription: completed where it meant to, aborted for want of payment."""
    schedule = (
        ctx.store.find("subscription_schedule", subscription["schedule"])
        if subscription["schedule"]
        else None
    )
    if schedule is not None and schedule["status"] in ("active", "not_started"):
        over = schedule["end_behavior"] == "cancel" and schedule["phases"][-1]["end_date"] <= ctx.now
        how = "completed" if over else "canceled"
        schedule.update({"status": how, f"{how}_at": ctx.now, "current_phase": None, "_due": None})
        ctx.store.put(schedule)
        unpaid = subscription["cancellation_details"]["reason"] == "payment_failed"
        ctx.emit(f"subscription_schedule.{'aborted' if unpaid else how}", schedule)


def _credit_unused(ctx: Ctx, subscription: Obj, *, replace_waiting: bool) -> None:
    if in_trial(subscription, ctx.now):
        return
    if replace_waiting:  # Stripe: pending prorations go when invoice_now and prorate are both set
        for item in pending_items(ctx.store, subscription["customer"], subscription["id"]):
            if item["proration"] and subscription_of(item):
                ctx.store.delete("invoiceitem", item["id"])
                ctx.emit("invoiceitem.deleted", item)
    for item in items_of(subscription):
        for draft in credits_of(ctx, subscription, item, ctx.now):
            keep(ctx, proration_item(ctx, subscription["customer"], subscription["id"], draft))
    subscription["_debits"] = {}


def _last_invoice(ctx: Ctx, subscription: Obj) -> None:
    customer = ctx.store.get("customer", subscription["customer"])
    waiting = [
        item for item in pending_items(ctx.store, customer["id"], subscription["id"]) if subscription_of(item)
    ]
    used = outstanding(ctx, subscription, ctx.now)
    if not waiting and not used:
        return
    invoice = invoicing.draw_up(
        ctx,
        customer,
        currency=subscription["currency"],
        reason="subscription_update",
        items=waiting,
        drafts=used,
        subscription=subscription,
    )
    subscription["latest_invoice"] = invoice["id"]
    invoicing.finalize(ctx, invoice)
    method = invoicing.method_for(ctx, invoice)
    if invoice["status"] == "open" and subscription["collection_method"] == "charge_automatically" and method:
        invoicing.attempt(ctx, invoice, method)


def _stop_collecting(ctx: Ctx, subscription: Obj) -> None:
    """Open invoices of a cancelled subscription are not tried again by themselves."""
    path = "parent.subscription_details.subscription"
    for invoice in ctx.store.related("invoice", path, subscription["id"]):
        if invoice["status"] in ("draft", "open") and invoice["auto_advance"]:
            invoice["auto_advance"], invoice["next_payment_attempt"] = False, None
            invoicing.save(ctx, invoice)
            ctx.emit("invoice.updated", invoice, {"auto_advance": True})


BEFORE_DELETE.append(end_all)
