"""What a schedule does to its subscription: starts it, takes it from phase to phase, and lets it go.

https://docs.stripe.com/billing/subscriptions/subscription-schedules, …/api/events/types
"""

from dataclasses import replace
from typing import Any

from ..core.kernel import Ctx, Obj, attends, public
from ..core.periods import DAY
from ..core.updates import differences
from ..invoices.pending_items import keep
from ..subscription_terms.changes import plan
from ..subscription_terms.schedule_phases import (
    anchor_of_phase,
    extras_of_phase,
    items_of_phase,
    leave_out_gone_discounts,
    phase_at,
    said_by,
    schedule_in_force,
    spans_of,
    take_phase_pricing,
    take_phase_terms,
)
from ..subscription_terms.schedule_shapes import KIND, span
from ..subscription_terms.shapes import editing, in_trial, items_of, period_end, set_items
from ..subscriptions import birth, pending_updates
from ..subscriptions.end import finish
from ..subscriptions.updates import carry_out

NOTICE = 7 * DAY
"""So long before its end a schedule is told to expire."""


def keep_schedule(ctx: Ctx, schedule: Obj) -> None:
    """Store a schedule and when it next wants attention."""
    end = schedule["phases"][-1]["end_date"]
    if schedule["_expires"] != end:
        schedule["_expires"] = end
        schedule["_notice"] = end - NOTICE if end - NOTICE > ctx.now else None
    if schedule["status"] == "not_started":
        schedule["_due"] = schedule["phases"][0]["start_date"]
    elif schedule["status"] == "active":
        moments = (schedule["current_phase"]["end_date"], schedule["_notice"])
        schedule["_due"] = min(moment for moment in moments if moment is not None)
    else:
        schedule["_due"] = None
    ctx.store.put(schedule)


@attends(KIND)
def attend(ctx: Ctx, schedule: Obj) -> None:
    """A schedule begins, a phase of it is over, or all of it will be soon."""
    if schedule["status"] == "not_started":
        before = public(schedule)
        leave_out_gone_discounts(ctx, schedule["customer"], schedule["phases"][0])
        begin(ctx, schedule)
        ctx.emit("subscription_schedule.updated", schedule, differences(before, schedule))
    elif schedule["current_phase"]["end_date"] <= ctx.now:
        enter_phase_if_due(ctx, ctx.store.get("subscription", schedule["subscription"]))
    else:
        schedule["_notice"] = None
        keep_schedule(ctx, schedule)
        ctx.emit("subscription_schedule.expiring", schedule)


def begin(ctx: Ctx, schedule: Obj) -> None:
    """Start the subscription of a schedule with its first phase; a start in the past backdates it."""
    phase = phase_at(schedule, ctx.now)
    assert phase is not None
    subscription = _subscription_of(ctx, schedule, phase)
    schedule.update(status="active", subscription=subscription["id"], current_phase=span(phase))
    announce_end(ctx, schedule)
    keep_schedule(ctx, schedule)


def enter_phase_if_due(ctx: Ctx, subscription: Obj) -> None:
    """Move a scheduled subscription into the phase of this time, or out of its schedule after the last."""
    schedule = schedule_in_force(ctx, subscription)
    if schedule is None or schedule["current_phase"]["end_date"] > ctx.now:
        return
    phase = phase_at(schedule, ctx.now)
    if phase is None:
        _complete(ctx, schedule, subscription)
        return
    before = public(schedule)
    leave_out_gone_discounts(ctx, schedule["customer"], phase)
    schedule["current_phase"] = span(phase)
    keep_schedule(ctx, schedule)
    become(ctx, subscription, schedule, phase, phase["proration_behavior"], entered=True)
    announce_end(ctx, schedule)
    ctx.emit("subscription_schedule.updated", schedule, differences(before, schedule))


def become(
    ctx: Ctx, subscription: Obj, schedule: Obj, phase: dict[str, Any], behavior: str, *, entered: bool
) -> None:
    """Give the subscription the phase's items and terms; that prorates within a period, not at its end.

    `entered`: whether the phase begins now, and adds its `add_invoice_items` to the next invoice.
    """
    with editing(ctx, subscription):
        take_phase_pricing(ctx, subscription, schedule, phase)
        take_phase_terms(subscription, schedule, phase)
        items = items_of_phase(ctx, subscription, phase)
        trial_end = _new_trial_end(ctx, subscription, phase)
        anchor = anchor_of_phase(ctx, subscription, schedule, items, phase)
        ended = period_end(subscription) <= ctx.now
        moved = entered and anchor != subscription["billing_cycle_anchor"] and not ended
        if entered:
            spans = spans_of(ctx, items, ctx.now if moved else anchor, anew=moved or trial_end == "now")
            spans = [(ctx.now, trial_end)] if isinstance(trial_end, int) else spans
            for extra in extras_of_phase(ctx, subscription, phase, spans):
                keep(ctx, extra)
        if trial_end is None and not moved and _same(items, items_of(subscription)):
            subscription["billing_cycle_anchor"] = anchor if ended else subscription["billing_cycle_anchor"]
            set_items(subscription, items)
            return
        pending_updates.discard(ctx, subscription)
        if trial_end is None and ended:
            subscription["billing_cycle_anchor"] = anchor
            set_items(subscription, items)
            return
        wanted: dict[str, Any] = {"items": _as_update(subscription, items), "proration_behavior": behavior}
        if trial_end is not None:
            wanted["trial_end"] = trial_end
        elif moved:
            wanted["billing_cycle_anchor"] = {"type": "now"}
        carry_out(ctx, subscription, plan(ctx, subscription, wanted), {})


def announce_end(ctx: Ctx, schedule: Obj) -> None:
    """A schedule that ends in a cancellation says so on its subscription, once its last phase is entered."""
    last = schedule["phases"][-1]
    final = schedule["current_phase"]["start_date"] == last["start_date"]
    at = last["end_date"] if final and schedule["end_behavior"] == "cancel" else None
    subscription = ctx.store.get("subscription", schedule["subscription"])
    if subscription["cancel_at"] != at and (at is not None or not subscription["cancel_at_period_end"]):
        with editing(ctx, subscription):
            subscription["cancel_at"] = at


def let_go(ctx: Ctx, schedule: Obj, *, keep_cancel_date: bool) -> None:
    """Take a schedule off its subscription, which goes on as it is; dates that the schedule set go."""
    before = schedule["subscription"]
    schedule.update(
        status="released",
        released_at=ctx.now,
        released_subscription=before,
        subscription=None,
        current_phase=None,
    )
    keep_schedule(ctx, schedule)
    if before is not None:
        subscription = ctx.store.get("subscription", before)
        with editing(ctx, subscription):
            subscription["schedule"] = None
            if schedule["end_behavior"] == "cancel" and not keep_cancel_date:
                subscription["cancel_at"] = None
    ctx.emit("subscription_schedule.released", schedule)


def _complete(ctx: Ctx, schedule: Obj, subscription: Obj) -> None:
    if schedule["end_behavior"] == "cancel":
        finish(ctx, subscription, ctx.now, bill_waiting=True)
    else:
        let_go(ctx, schedule, keep_cancel_date=False)


def _subscription_of(ctx: Ctx, schedule: Obj, phase: dict[str, Any]) -> Obj:
    """The subscription with which a schedule begins."""
    start = schedule["phases"][0]["start_date"]
    tax = said_by(schedule, phase, "automatic_tax")
    params: dict[str, Any] = {
        "customer": schedule["customer"],
        "billing_mode": _mode(schedule),
        "items": [_as_created(item) for item in phase["items"]],
        "default_tax_rates": [rate["id"] for rate in phase["default_tax_rates"]],
        "automatic_tax": {"enabled": tax["enabled"]},
    }
    if start < ctx.now:
        params["backdate_start_date"] = start
    if phase["trial_end"] is not None and phase["trial_end"] > ctx.now:
        params["trial_end"] = phase["trial_end"]
    inherits = phase["start_date"] not in schedule["_without_discounts"]
    if phase["discounts"]:
        params["discounts"] = _asked(phase["discounts"])
    subscription, drafts = birth.compose_new(replace(ctx, params=params), params, inherits=inherits)
    subscription["schedule"] = schedule["id"]
    phase["discounts"] = [{**entry, "coupon": None, "promotion_code": None} for entry in phase["discounts"]]
    for entry, id in zip(phase["discounts"], subscription["discounts"], strict=True):
        entry["discount"] = id
    take_phase_terms(subscription, schedule, phase)
    items = items_of(subscription)
    spans = [(item["current_period_start"], item["current_period_end"]) for item in items]
    extras = extras_of_phase(ctx, subscription, phase, spans)
    held = ctx.switches.scheduled_invoice == "draft"
    return birth.start(ctx, subscription, drafts, extras, behavior="allow_incomplete", held=held)


def _mode(schedule: Obj) -> dict[str, Any]:
    mode = {"type": schedule["billing_mode"]["type"]}
    flexible = schedule["billing_mode"]["flexible"]
    return {**mode, "flexible": flexible} if flexible else mode


def _as_created(item: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "price": item["price"],
        "metadata": item["metadata"],
        "discounts": _asked(item["discounts"]),
        "tax_rates": [rate["id"] for rate in item["tax_rates"]],
    }
    return {**entry, "quantity": item["quantity"]} if "quantity" in item else entry


def _asked(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: id for name, id in entry.items() if id} for entry in entries]


def _new_trial_end(ctx: Ctx, subscription: Obj, phase: dict[str, Any]) -> int | str | None:
    """The end of the trial that a phase begins or moves, `now` where it ends one; None: all as it is."""
    running = in_trial(subscription, ctx.now)
    wanted = phase["trial_end"]
    if wanted is not None and wanted > ctx.now:
        return None if running and wanted == subscription["trial_end"] else int(wanted)
    return "now" if running else None


def _as_update(subscription: Obj, items: list[Obj]) -> list[dict[str, Any]]:
    """The phase's items as the parameters of an update."""
    known = {item["id"] for item in items_of(subscription)}
    kept = {item["id"] for item in items}
    entries: list[dict[str, Any]] = [{"id": id, "deleted": True} for id in sorted(known - kept)]
    for item in items:
        entry = {
            "price": item["price"]["id"],
            "metadata": item["metadata"],
            "discounts": [{"discount": id} for id in item["discounts"]],
            "tax_rates": [rate["id"] for rate in item["tax_rates"]],
        }
        if "quantity" in item:
            entry["quantity"] = item["quantity"]
        entries.append({"id": item["id"], **entry} if item["id"] in known else entry)
    return entries


def _same(items: list[Obj], others: list[Obj]) -> bool:
    def charged(item: Obj) -> tuple[str, str, int]:
        return item["id"], item["price"]["id"], item.get("quantity") or 0

    return sorted(map(charged, items)) == sorted(map(charged, others))
