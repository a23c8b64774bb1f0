"""What a change of a scheduled subscription itself leaves in its schedule: https://docs.stripe.com/billing/
subscriptions/subscription-schedules#updating-the-subscription. Phases ahead stay, and overwrite it later."""

from collections.abc import Collection
from typing import Any

from ..core.kernel import Ctx, Obj, public
from ..core.updates import changed
from .schedule_phases import discount_entry, phase_at, phase_items, schedule_in_force
from .schedule_shapes import invoice_settings, span
from .shapes import in_trial, items_of

SPLITTING = (
    "items",
    "discounts",
    "default_tax_rates",
    "trial_end",
    "automatic_tax",
    "add_invoice_items",
)
"""The parameters of an update that end the current phase and begin another with what they gave."""
TERMS = ("collection_method", "default_payment_method")
"""Those that go into the current phase where it has its own, and into the default settings."""


def follow(ctx: Ctx, subscription: Obj, given: Collection[str]) -> None:
    """A scheduled subscription was changed by these parameters: its schedule says so from now on."""
    schedule = schedule_in_force(ctx, subscription)
    phase = phase_at(schedule, ctx.now) if schedule else None
    if schedule is None or phase is None:
        return
    before = public(schedule)
    if any(name in given for name in SPLITTING):
        phase = _split(schedule, phase, ctx.now)
        phase["items"] = phase_items(items_of(subscription))
        phase["discounts"] = [discount_entry(discount=id) for id in subscription["discounts"]]
        phase["default_tax_rates"] = public(subscription["default_tax_rates"])
        phase["trial_end"] = subscription["trial_end"] if in_trial(subscription, ctx.now) else None
    if "automatic_tax" in given:
        phase["automatic_tax"] = public(subscription["automatic_tax"])
        schedule["default_settings"]["automatic_tax"] = public(subscription["automatic_tax"])
    for name in TERMS:
        if name in given:
            _set(schedule, phase, name, subscription[name])
    if "collection_method" in given or "days_until_due" in given:
        _set(schedule, phase, "invoice_settings", invoice_settings(subscription["days_until_due"]))
    changed(ctx, schedule, before, "subscription_schedule.updated")


def _set(schedule: Obj, phase: dict[str, Any], name: str, value: Any) -> None:
    schedule["default_settings"][name] = value
    if phase[name] is not None:
        phase[name] = public(value)


def _split(schedule: Obj, phase: dict[str, Any], now: int) -> dict[str, Any]:
    """End a phase now, and begin one like it; one that begins this second is changed itself."""
    if phase["start_date"] == now:
        return phase
    rest: dict[str, Any] = {**public(phase), "add_invoice_items": [], "start_date": now}
    schedule["phases"].insert(schedule["phases"].index(phase) + 1, rest)
    if phase["start_date"] in schedule["_without_discounts"]:
        schedule["_without_discounts"].append(now)
    phase["end_date"] = now
    if phase["trial_end"] is not None:
        phase["trial_end"] = min(phase["trial_end"], now)
    schedule["current_phase"] = span(rest)
    return rest
