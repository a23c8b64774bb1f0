"""What a scheduled subscription will be when its schedule enters another phase, for previews."""

from dataclasses import dataclass, field

from ..core.kernel import Ctx, Obj, public
from .schedule_phases import (
    anchor_of_phase,
    extras_of_phase,
    items_of_phase,
    leave_out_gone_discounts,
    phase_at,
    schedule_in_force,
    spans_of,
    take_phase_pricing,
    take_phase_terms,
)
from .shapes import set_items

GIVEN = (
    "automatic_tax",
    "collection_method",
    "days_until_due",
    "default_tax_rates",
    "description",
    "discounts",
    "metadata",
)
"""The fields of a subscription, beside its items, that a phase sets and that its invoices show."""


@dataclass(slots=True)
class Ahead:
    """What a phase brings beside items and terms."""

    extras: list[Obj] = field(default_factory=list)
    """Invoice items of its own, not stored."""
    trial_end: int | None = None


def enter_next_phase(ctx: Ctx, subscription: Obj) -> Ahead:
    """Give a copy of a subscription what it has now if its schedule enters another phase by this time."""
    schedule = schedule_in_force(ctx, subscription)
    phase = phase_at(schedule, ctx.now) if schedule else None
    if schedule is None or phase is None or schedule["current_phase"]["start_date"] == phase["start_date"]:
        return Ahead()
    phase = public(phase)
    leave_out_gone_discounts(ctx, subscription["customer"], phase)
    take_phase_pricing(ctx, subscription, schedule, phase)
    take_phase_terms(subscription, schedule, phase)
    items = items_of_phase(ctx, subscription, phase)
    anchor = anchor_of_phase(ctx, subscription, schedule, items, phase)
    trial_end = phase["trial_end"]
    if trial_end is None:
        spans = spans_of(ctx, items, anchor, anew=False)
    else:
        spans = [(ctx.now, trial_end)]
    extras = extras_of_phase(ctx, subscription, phase, spans)
    subscription["billing_cycle_anchor"] = anchor
    set_items(subscription, items)
    return Ahead(extras, trial_end)
