"""Previews by schedule: what is asked is done, time goes on to the next invoice, and all of it is undone.

So the preview is the invoice. With `schedule_details` alone the schedule is a new one.
https://docs.stripe.com/api/invoices/create_preview
"""

from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from ..core.forms import part
from ..core.kernel import ATTENDED, Ctx, Obj, invalid, public
from ..discounts import discounts
from ..invoices import invoicing
from ..invoices.invoice_lines import all_lines
from ..invoices.invoice_shapes import expect
from ..invoices.pending_items import pending_items
from ..subscription_terms.schedule_shapes import KIND
from ..subscription_terms.shapes import in_trial
from ..subscriptions.previews import SCHEDULES, nothing
from . import schedules
from .schedule_changes import begin, keep_schedule

NOT_BUILT = ("automatic_tax", "customer_details", "discounts", "invoice_items")
MOST_STEPS = 1000


def preview(ctx: Ctx) -> Obj:
    """The next invoice of a schedule as it is, as an update would make it, or of one that isn't there yet."""
    for name in NOT_BUILT:
        if name in ctx.params:
            raise invalid(f"This stand-in does not preview {name} of a schedule.", param=name)
    try:
        invoice, used = _supposed(replace(ctx, previewing=False, request_id=""))
    finally:
        ctx.store.undo()
    ctx.unsaved.update(used)
    return invoice


def _supposed(ctx: Ctx) -> tuple[Obj, dict[str, Obj]]:
    """The invoice, and the discounts that were made for it."""
    details: dict[str, Any] = ctx.params.get("schedule_details") or {}
    known = ctx.params.get("schedule")
    if known:
        schedule = ctx.store.get(KIND, known, param="schedule", status=400)
        if details:
            schedules.revise(replace(ctx, params=details), schedule)
    else:
        first = (details.get("phases") or [{}])[0]
        start = first.get("start_date", "now")
        wanted = part(details, details.keys(), start_date=start, customer=ctx.params.get("customer"))
        schedule = schedules.of_phases(replace(ctx, params=wanted))
    if schedule["status"] == "not_started":
        ctx = replace(ctx, now=schedule["phases"][0]["start_date"])
        begin(ctx, schedule)
        keep_schedule(ctx, schedule)
    if schedule["subscription"] is None:
        raise nothing(schedule["customer"])
    subscription = ctx.store.get("subscription", schedule["subscription"])
    since = 0
    if ctx.params.get("preview_mode") == "recurring":
        since = _leave_out_what_is_once(ctx, subscription, new=not known)
    at, drawn = _next_invoice(ctx, schedule, subscription, since)
    return _as_preview(replace(ctx, now=at), drawn, subscription, new=not known)


def _leave_out_what_is_once(ctx: Ctx, subscription: Obj, *, new: bool) -> int:
    """Take away what waits, prorations among it; gives the events after which the full period is drawn up."""
    for item in pending_items(ctx.store, subscription["customer"], subscription["id"]):
        ctx.store.delete("invoiceitem", item["id"])
    first = new and not in_trial(subscription, ctx.now)
    return 0 if first else len(ctx.store.new_events())


def _next_invoice(ctx: Ctx, schedule: Obj, subscription: Obj, since: int) -> tuple[int, Obj]:
    """When the subscription has its next invoice, and that as it is drawn up."""
    at = ctx.now
    for _ in range(MOST_STEPS):
        found = _drawn(ctx, subscription, since)
        if found is not None:
            return at, found
        due = [one for one in (schedule, subscription) if one["_due"] is not None]
        if not due or subscription["status"] == "canceled":
            break
        first = min(due, key=lambda one: int(one["_due"]))
        at = max(at, int(first["_due"]))
        ATTENDED[first["object"]](replace(ctx, now=at), first)
    raise nothing(schedule["customer"])


def _drawn(ctx: Ctx, subscription: Obj, since: int) -> Obj | None:
    """The first invoice that was drawn up for the subscription, as it was then, with all of its lines."""
    for row in ctx.store.new_events()[since:]:
        if row.type != "invoice.created":
            continue
        invoice: Obj = from_json(row.body)["data"]["object"]
        if invoice["parent"]["subscription_details"]["subscription"] != subscription["id"]:
            continue
        lines = all_lines(ctx.store.get("invoice", invoice["id"]))
        invoice["lines"].update(data=public(lines), has_more=False)
        return invoice
    return None


def _as_preview(ctx: Ctx, invoice: Obj, subscription: Obj, *, new: bool) -> tuple[Obj, dict[str, Obj]]:
    invoice.update(id=ctx.store.new_id("upcoming_in"), billing_reason="upcoming")
    invoice["automatically_finalizes_at"] = None
    invoice["lines"]["url"] = f"/v1/invoices/{invoice['id']}/lines"
    if new:
        invoice["parent"] = None
    for line in invoice["lines"]["data"]:
        line.update(id=ctx.store.new_id("il_tmp"), invoice=invoice["id"])
        if new:
            line["subscription"] = None
            for parent in line["parent"].values():
                if isinstance(parent, dict):
                    parent["subscription"] = None
    invoice["ending_balance"] = expect(invoice, ctx.store.get("customer", subscription["customer"]))
    if invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = ctx.now + invoicing.FINALIZE_AFTER
    ids = {id for line in invoice["lines"]["data"] for id in line["discounts"]} | set(invoice["discounts"])
    ids |= {one["discount"] for line in invoice["lines"]["data"] for one in line["discount_amounts"]}
    return invoice, {id: dict(discounts.find(ctx, id)) for id in ids}


SCHEDULES.append(preview)
