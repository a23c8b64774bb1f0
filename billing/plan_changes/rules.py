"""Which plan changes make sense at all, before anything is previewed."""

from collections.abc import Sequence
from typing import NamedTuple

from ..core.errors import Code, InvalidRequest
from .checks import several_alike
from .items.add_ons import AddOn, find_add_on, others_after, price_add_ons, to_be_priced
from .items.others import OtherItem
from .limits import Usage
from .plans import Interval, Plan
from .subject import PlanChangeRequest, Terms


class ResolvedTerms(NamedTuple):
    """What is asked for, with what was left out filled in."""

    seats: int
    interval: Interval


def validate_change(
    current: Terms,
    wanted: PlanChangeRequest,
    plan: Plan,
    usage: Usage,
    add_ons: Sequence[AddOn] = (),
    offered: Sequence[str] = (),
) -> ResolvedTerms:
    """Fills in seats and interval that the request leaves out; `plan` is the plan it names, `add_ons` those
    that there are, and `offered` those of the policy.

    Seats left out stay as they are, down to what the plan can hold. Whether the usage then fits is the
    limits check's to say: only seats that were asked for are refused here.
    A change of the interval that is effective now starts a new billing period, which Stripe bills at once
    ("Billing cycle"): it can't be left to the next invoice.
    Raises InvalidRequest: `interval_unavailable`, `seats_above_plan`, `seats_below_usage`, `same_plan`,
    `interval_bills_now`, `add_on_twice`, `unknown_add_on`, `add_on_unavailable`.
    """
    interval = wanted.interval or current.interval
    plan.price(interval, usage.currency)
    if wanted.seats is None:
        seats = min(current.seats, plan.seats_included)
    else:
        seats = _seats_asked_for(wanted.seats, plan, usage)
    others = _others(current, wanted, interval, usage.currency, add_ons, offered)
    wished = (plan.plan, seats, interval, others)
    if wished == (current.plan, current.seats, current.interval, current.others):
        raise InvalidRequest(
            Code.SAME_PLAN,
            f"Nothing would change: you already have {plan.name} with {seats} seats, "
            f"billed by the {interval}",
            field="plan",
        )
    if wanted.invoicing == "next_invoice" and wanted.effective == "now" and interval != current.interval:
        raise InvalidRequest(
            Code.INTERVAL_BILLS_NOW,
            f"Changing from billing by the {current.interval} to billing by the {interval} starts a new "
            "billing period, which is billed immediately: it can't be left to the next invoice",
            field="invoicing",
        )
    return ResolvedTerms(seats, interval)


def _others(
    current: Terms,
    wanted: PlanChangeRequest,
    interval: Interval,
    currency: str,
    add_ons: Sequence[AddOn],
    offered: Sequence[str],
) -> tuple[OtherItem, ...]:
    """What there would be beside the plan."""
    named = [one.add_on for one in wanted.add_ons]
    held = {one.add_on: one.quantity or 0 for one in current.others}
    for one in wanted.add_ons:
        if one.quantity > held.get(one.add_on, -1):  # of what is offered no more there can be fewer or none
            find_add_on(add_ons, offered, one.add_on)
        if named.count(one.add_on) > 1:
            raise InvalidRequest(
                Code.ADD_ON_TWICE,
                f"The add-on {one.add_on} is in the request more than once",
                field="add_ons",
            )
    if (problem := several_alike(wanted, current)) is not None:
        raise InvalidRequest(Code.ADD_ON_TWICE, problem.message, field="add_ons")
    new = to_be_priced(wanted.add_ons, current.others, offered, interval != current.interval)
    priced = price_add_ons(add_ons, offered, new, interval, currency)
    return others_after(current.others, wanted.add_ons, priced)


def _seats_asked_for(seats: int, plan: Plan, usage: Usage) -> int:
    if seats > plan.seats_included:
        raise InvalidRequest(
            Code.SEATS_ABOVE_PLAN,
            f"{plan.name} allows at most {plan.seats_included} seats, {seats} were requested",
            field="seats",
        )
    least = max(1, usage.seats)
    if seats < least:
        raise InvalidRequest(
            Code.SEATS_BELOW_USAGE,
            f"{usage.seats} seats are in use: at least {least} are needed, {seats} were requested",
            field="seats",
        )
    return seats
