"""Subscription schedules: a subscription's phases over time, such as a downgrade at the end of the period.

https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from typing import Any

from stripe.params import (
    SubscriptionScheduleCancelParams,
    SubscriptionScheduleCreateParams,
    SubscriptionScheduleListParams,
    SubscriptionScheduleReleaseParams,
    SubscriptionScheduleRetrieveParams,
    SubscriptionScheduleUpdateParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, attends, invalid, merge_metadata, public, route
from ..core.updates import changed, differences, not_built
from ..subscription_terms.changes import plan
from ..subscription_terms.schedule_phases import anchor_of_phase, items_of_phase, phase_at, take_phase_pricing
from ..subscription_terms.schedule_shapes import KIND, phases_of, phases_without_discounts, schedule_of, span
from ..subscription_terms.shapes import editing, in_trial, items_of, period_end, set_items
from ..subscriptions import pending_updates
from ..subscriptions.end import cancel_now, finish
from ..subscriptions.updates import carry_out


@route("POST", "/v1/subscription_schedules", params=SubscriptionScheduleCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Put a running subscription under a schedule whose one phase is the current period."""
    given = ctx.params.get("from_subscription")
    if not given:
        raise invalid(
            "This stand-in makes schedules of running subscriptions only: pass `from_subscription`.",
            param="from_subscription",
        )
    others = sorted(set(ctx.params) - {"expand", "from_subscription"})
    if others:
        raise invalid(f"You cannot set `{others[0]}` if `from_subscription` is set.", param=others[0])
    subscription = ctx.store.get("subscription", given, param="from_subscription", status=400)
    if subscription["schedule"]:
        raise invalid(
            "You cannot migrate a subscription that is already attached to a schedule: "
            f"`{subscription['schedule']}`.",
            param="from_subscription",
        )
    if subscription["status"] in ("canceled", "incomplete", "incomplete_expired"):
        raise invalid(
            "You cannot create a subscription schedule from a subscription that is "
            f"{subscription['status']}.",
            param="from_subscription",
        )
    schedule = schedule_of(ctx, subscription)
    _store(ctx, schedule)
    with editing(ctx, subscription):
        subscription["schedule"] = schedule["id"]
    ctx.emit("subscription_schedule.created", schedule)
    return schedule


@route("GET", "/v1/subscription_schedules/{id}", params=SubscriptionScheduleRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One schedule."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", "/v1/subscription_schedules/{id}", params=SubscriptionScheduleUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change a schedule; `phases` replaces all of them and must repeat the current one."""
    schedule, params = ctx.store.get(KIND, ctx.path["id"]), ctx.params
    _require_running(schedule, "update")
    if params.get("pause_schedules"):
        not_built(ctx, "pause_schedules")
    before = public(schedule)
    if "phases" in params:
        schedule["phases"] = phases_of(ctx, schedule, params["phases"])
        schedule["_without_discounts"] = phases_without_discounts(schedule["phases"], params["phases"])
        current = phase_at(schedule, ctx.now)
        assert current is not None
        schedule["current_phase"] = span(current)
        subscription = ctx.store.get("subscription", schedule["subscription"])
        behavior = params.get("proration_behavior", "create_prorations")
        _become(ctx, subscription, schedule, current, behavior)
    for name, value in (params.get("default_settings") or {}).items():
        schedule["default_settings"][name] = None if value == "" else public(value)
    schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
    schedule["metadata"] = merge_metadata(schedule["metadata"], params.get("metadata"))
    _announce_end(ctx, schedule)
    _store(ctx, schedule)
    return changed(ctx, schedule, before, "subscription_schedule.updated")


@route("POST", "/v1/subscription_schedules/{id}/release", params=SubscriptionScheduleReleaseParams, kind=KIND)
def release(ctx: Ctx) -> Obj:
    """Leave the subscription as it is, without a schedule."""
    schedule = ctx.store.get(KIND, ctx.path["id"])
    _require_running(schedule, "release")
    _release(ctx, schedule, keep_cancel_date=ctx.params.get("preserve_cancel_date", False))
    return schedule


@route("POST", "/v1/subscription_schedules/{id}/cancel", params=SubscriptionScheduleCancelParams, kind=KIND)
def cancel(ctx: Ctx) -> Obj:
    """End the schedule and its subscription at once."""
    schedule = ctx.store.get(KIND, ctx.path["id"])
    _require_running(schedule, "cancel")
    subscription = ctx.store.get("subscription", schedule["subscription"])
    cancel_now(
        ctx,
        subscription,
        invoice_now=ctx.params.get("invoice_now", True),
        prorate=ctx.params.get("prorate", True),
    )
    return schedule


@route("GET", "/v1/subscription_schedules", params=SubscriptionScheduleListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Schedules, newest first."""
    params = ctx.params
    customer = params.get("customer")
    found = ctx.store.related(KIND, "customer", customer) if customer else ctx.store.all(KIND)
    wanted = [
        schedule
        for schedule in found
        if within(schedule["created"], params.get("created"))
        and within(schedule["canceled_at"], params.get("canceled_at"))
        and within(schedule["completed_at"], params.get("completed_at"))
        and within(schedule["released_at"], params.get("released_at"))
        and (not params.get("scheduled") or schedule["status"] == "not_started")
    ]
    return ctx.page(wanted, "/v1/subscription_schedules")


@attends(KIND)
def attend(ctx: Ctx, schedule: Obj) -> None:
    """The current phase is over."""
    enter_phase_if_due(ctx, ctx.store.get("subscription", schedule["subscription"]))


def enter_phase_if_due(ctx: Ctx, subscription: Obj) -> None:
    """Move a scheduled subscription into the phase of this time, or out of its schedule after the last."""
    schedule = ctx.store.find(KIND, subscription["schedule"]) if subscription["schedule"] else None
    if schedule is None or schedule["status"] != "active" or schedule["current_phase"]["end_date"] > ctx.now:
        return
    phase = phase_at(schedule, ctx.now)
    if phase is None:
        _complete(ctx, schedule, subscription)
        return
    before = public(schedule)
    schedule["current_phase"] = span(phase)
    _store(ctx, schedule)
    _become(ctx, subscription, schedule, phase, phase["proration_behavior"])
    ctx.emit("subscription_schedule.updated", schedule, differences(before, schedule))


def _become(ctx: Ctx, subscription: Obj, schedule: Obj, phase: dict[str, Any], behavior: str) -> None:
    """Give the subscription the phase's items and terms; that prorates within a period, not at its end."""
    with editing(ctx, subscription):
        take_phase_pricing(ctx, subscription, schedule, phase)
        items = items_of_phase(ctx, subscription, phase)
        _take_terms(subscription, phase)
        if in_trial(subscription, ctx.now) and phase["trial_end"] is None:
            carry_out(ctx, subscription, plan(ctx, subscription, {"trial_end": "now"}), {})
        if _same(items, items_of(subscription)):
            set_items(subscription, items)
            return
        pending_updates.discard(ctx, subscription)
        if period_end(subscription) <= ctx.now:
            subscription["billing_cycle_anchor"] = anchor_of_phase(ctx, subscription, items, phase)
            set_items(subscription, items)
            return
        wanted: dict[str, Any] = {"items": _as_update(subscription, items), "proration_behavior": behavior}
        if anchor_of_phase(ctx, subscription, items, phase) != subscription["billing_cycle_anchor"]:
            wanted["billing_cycle_anchor"] = {"type": "now"}
        carry_out(ctx, subscription, plan(ctx, subscription, wanted), {})


def _as_update(subscription: Obj, items: list[Obj]) -> list[dict[str, Any]]:
    """The phase's items as the parameters of an update."""
    known = {item["id"] for item in items_of(subscription)}
    kept = {item["id"] for item in items}
    entries: list[dict[str, Any]] = [{"id": id, "deleted": True} for id in sorted(known - kept)]
    for item in items:
        entry = {
            "price": item["price"]["id"],
            "quantity": item["quantity"],
            "metadata": item["metadata"],
            "discounts": [{"discount": id} for id in item["discounts"]],
            "tax_rates": [rate["id"] for rate in item["tax_rates"]],
        }
        entries.append({"id": item["id"], **entry} if item["id"] in known else entry)
    return entries


def _same(items: list[Obj], others: list[Obj]) -> bool:
    def charged(item: Obj) -> tuple[str, str, int]:
        return item["id"], item["price"]["id"], item["quantity"]

    return sorted(map(charged, items)) == sorted(map(charged, others))


def _take_terms(subscription: Obj, phase: dict[str, Any]) -> None:
    subscription["metadata"] = {**subscription["metadata"], **(phase["metadata"] or {})}
    for name in ("collection_method", "default_payment_method", "description"):
        if phase[name]:
            subscription[name] = phase[name]


def _complete(ctx: Ctx, schedule: Obj, subscription: Obj) -> None:
    if schedule["end_behavior"] != "cancel":
        _release(ctx, schedule, keep_cancel_date=False)
        return
    schedule.update(status="completed", completed_at=ctx.now, current_phase=None)
    _store(ctx, schedule)
    ctx.emit("subscription_schedule.completed", schedule)
    finish(ctx, subscription, ctx.now, bill_waiting=True)


def _release(ctx: Ctx, schedule: Obj, *, keep_cancel_date: bool) -> None:
    subscription = ctx.store.get("subscription", schedule["subscription"])
    schedule.update(
        status="released",
        released_at=ctx.now,
        released_subscription=subscription["id"],
        subscription=None,
        current_phase=None,
    )
    _store(ctx, schedule)
    with editing(ctx, subscription):
        subscription["schedule"] = None
        if schedule["end_behavior"] == "cancel" and not keep_cancel_date:
            subscription["cancel_at"] = None
    ctx.emit("subscription_schedule.released", schedule)


def _announce_end(ctx: Ctx, schedule: Obj) -> None:
    """A schedule that ends in a cancellation says so on its subscription."""
    at = schedule["phases"][-1]["end_date"] if schedule["end_behavior"] == "cancel" else None
    subscription = ctx.store.get("subscription", schedule["subscription"])
    if subscription["cancel_at"] != at and (at is not None or not subscription["cancel_at_period_end"]):
        with editing(ctx, subscription):
            subscription["cancel_at"] = at


def _require_running(schedule: Obj, verb: str) -> None:
    if schedule["status"] not in ("active", "not_started"):
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` "
            "status. "
            "It must be in one of the following statuses: `not_started`, `active`."
        )


def _store(ctx: Ctx, schedule: Obj) -> None:
    schedule["_due"] = schedule["current_phase"]["end_date"] if schedule["current_phase"] else None
    ctx.store.put(schedule)
