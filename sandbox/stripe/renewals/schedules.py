"""Subscription schedules over HTTP: a subscription's phases over time, such as a downgrade at period end.

https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from stripe.params import (
    SubscriptionScheduleCancelParams,
    SubscriptionScheduleCreateParams,
    SubscriptionScheduleListParams,
    SubscriptionScheduleReleaseParams,
    SubscriptionScheduleRetrieveParams,
    SubscriptionScheduleUpdateParams,
)

from ..core.filters import within
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed, not_built, without_effect
from ..subscription_terms import schedule_request
from ..subscription_terms.schedule_phases import phase_at
from ..subscription_terms.schedule_shapes import KIND, blank, schedule_of, span
from ..subscription_terms.shapes import editing
from ..subscriptions.birth import billing_mode
from ..subscriptions.end import cancel_now
from .schedule_changes import announce_end, become, begin, keep_schedule, let_go

NOT_BUILT = ("customer_account", "pause_schedules")
UNFIT = ("canceled", "incomplete", "incomplete_expired", "paused")
"""The statuses in which a subscription gets no schedule."""


@route("POST", "/v1/subscription_schedules", params=SubscriptionScheduleCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Put a running subscription under a schedule, or make one that starts a subscription of its own."""
    schedule = of_subscription(ctx) if ctx.params.get("from_subscription") else of_phases(ctx)
    ctx.emit("subscription_schedule.created", schedule)
    return schedule


def of_phases(ctx: Ctx) -> Obj:
    """A schedule by its phases: one whose start isn't ahead starts its subscription at once."""
    not_built(ctx, *NOT_BUILT)
    params = ctx.params
    for name in ("customer", "phases"):
        if not params.get(name):
            raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    customer = ctx.store.get("customer", params["customer"], param="customer", status=400)
    schedule = blank(
        ctx, customer["id"], billing_mode(ctx, params.get("billing_mode")), customer.get("test_clock")
    )
    schedule["end_behavior"] = _end_behavior(params.get("end_behavior", "release"))
    schedule["metadata"] = merge_metadata(None, params.get("metadata"))
    start = schedule_request.moment(ctx, params.get("start_date", "now"))
    _take_phases(ctx, schedule, start)
    if start <= ctx.now:
        begin(ctx, schedule)
    keep_schedule(ctx, schedule)
    return schedule


def of_subscription(ctx: Ctx) -> Obj:
    """The schedule of a running subscription, whose one phase is the current period."""
    others = sorted(set(ctx.params) - {"expand", "from_subscription"})
    if others:
        raise invalid(f"You cannot set `{others[0]}` if `from_subscription` is set.", param=others[0])
    subscription = ctx.store.get(
        "subscription", ctx.params["from_subscription"], param="from_subscription", status=400
    )
    if subscription["schedule"]:
        raise invalid(
            "You cannot migrate a subscription that is already attached to a schedule: "
            f"`{subscription['schedule']}`.",
            param="from_subscription",
        )
    if subscription["status"] in UNFIT:
        raise invalid(
            f"You cannot migrate a subscription that is currently in the `{subscription['status']}` status.",
            param="from_subscription",
        )
    schedule = schedule_of(ctx, subscription, _of_cancelling(ctx, subscription))
    keep_schedule(ctx, schedule)
    with editing(ctx, subscription):
        subscription["schedule"] = schedule["id"]
    return schedule


@route("GET", "/v1/subscription_schedules/{id}", params=SubscriptionScheduleRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One schedule."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", "/v1/subscription_schedules/{id}", params=SubscriptionScheduleUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Change a schedule; `phases` replaces the current one and those ahead, and must repeat what stays."""
    return revise(ctx, ctx.store.get(KIND, ctx.path["id"]))


def revise(ctx: Ctx, schedule: Obj) -> Obj:
    """Do what the request asks of a schedule."""
    params = ctx.params
    _require_running(schedule, "update")
    not_built(ctx, *NOT_BUILT)
    without_effect(ctx, "proration_behavior")  # before it has begun
    before = public(schedule)
    schedule["end_behavior"] = _end_behavior(params.get("end_behavior") or schedule["end_behavior"])
    schedule["metadata"] = merge_metadata(schedule["metadata"], params.get("metadata"))
    _take_phases(ctx, schedule, None)
    if schedule["status"] == "active":
        _update_current(ctx, schedule, params.get("proration_behavior", "create_prorations"))
    elif schedule["phases"][0]["start_date"] <= ctx.now:
        begin(ctx, schedule)
    keep_schedule(ctx, schedule)
    return changed(ctx, schedule, before, "subscription_schedule.updated")


@route("POST", "/v1/subscription_schedules/{id}/release", params=SubscriptionScheduleReleaseParams, kind=KIND)
def release(ctx: Ctx) -> Obj:
    """Leave the subscription as it is, without a schedule."""
    schedule = ctx.store.get(KIND, ctx.path["id"])
    _require_running(schedule, "release")
    let_go(ctx, schedule, keep_cancel_date=ctx.params.get("preserve_cancel_date", False))
    return schedule


@route("POST", "/v1/subscription_schedules/{id}/cancel", params=SubscriptionScheduleCancelParams, kind=KIND)
def cancel(ctx: Ctx) -> Obj:
    """End the schedule and its subscription at once."""
    schedule = ctx.store.get(KIND, ctx.path["id"])
    _require_running(schedule, "cancel")
    invoice_now, prorate = ctx.params.get("invoice_now", True), ctx.params.get("prorate", True)
    if schedule["status"] == "not_started":
        schedule.update(status="canceled", canceled_at=ctx.now)
        keep_schedule(ctx, schedule)
        ctx.emit("subscription_schedule.canceled", schedule)
        return schedule
    subscription = ctx.store.get("subscription", schedule["subscription"])
    cancel_now(ctx, subscription, invoice_now=invoice_now, prorate=prorate)
    return schedule


@route("GET", "/v1/subscription_schedules", params=SubscriptionScheduleListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Schedules, newest first."""
    not_built(ctx, "customer_account")
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


def _take_phases(ctx: Ctx, schedule: Obj, start: int | None) -> None:
    """Give a schedule the default settings and the phases that the request sends."""
    params = ctx.params
    if "default_settings" in params:
        schedule_request.take_settings(ctx, schedule, params["default_settings"])
    if "phases" in params:
        schedule["phases"] = schedule_request.phases_of(ctx, schedule, params["phases"], start)
        bare = schedule_request.without_discounts(schedule["phases"], params["phases"])
        schedule["_without_discounts"] = bare


def _update_current(ctx: Ctx, schedule: Obj, behavior: str) -> None:
    """Let the subscription follow its current phase, which may have become another one."""
    current = phase_at(schedule, ctx.now)
    assert current is not None
    entered = current["start_date"] != schedule["current_phase"]["start_date"]
    schedule["current_phase"] = span(current)
    subscription = ctx.store.get("subscription", schedule["subscription"])
    if "phases" in ctx.params or "default_settings" in ctx.params:
        become(ctx, subscription, schedule, current, behavior, entered=entered)
    announce_end(ctx, schedule)


def _end_behavior(given: str) -> str:
    if given not in ("release", "cancel"):
        message = f"This stand-in does not support `{given}`: Stripe says what release and cancel do."
        raise invalid(message, param="end_behavior")
    return given


def _of_cancelling(ctx: Ctx, subscription: Obj) -> str:
    """How a schedule ends whose subscription is set to be canceled: no page says it, see `Switches`."""
    if subscription["cancel_at"] is None or (switch := ctx.switches.cancelling_scheduled) == "release":
        return "release"
    if switch == "cancel":
        return "cancel"
    raise invalid("You cannot migrate a subscription that is set to be canceled.", param="from_subscription")


def _require_running(schedule: Obj, verb: str) -> None:
    if schedule["status"] not in ("active", "not_started"):
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` "
            "status. "
            "It must be in one of the following statuses: `not_started`, `active`."
        )
