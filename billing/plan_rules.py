"""Which plan changes make sense at all, before anything is previewed."""

from typing import NamedTuple

from .errors import Code, InvalidRequest
from .limits import Usage
from .plan_change import Terms, Wanted
from .plans import Interval, Plan


class Resolved(NamedTuple):
    """What is asked for, with what was left out filled in."""

    seats: int
    interval: Interval


def validate_change(current: Terms, wanted: Wanted, plan: Plan, usage: Usage) -> Resolved:
    """Fills in seats and interval that the request leaves out; `plan` is the plan it names.

    Seats left out stay as they are, down to what the plan can hold. Whether the usage then fits is the
    limits check's to say: only seats that were asked for are refused here.
    Raises InvalidRequest: `interval_unavailable`, `seats_above_plan`, `seats_below_usage`, `same_plan`.
    """
    interval = wanted.interval or current.interval
    plan.price(interval, usage.currency)
    if wanted.seats is None:
        seats = min(current.seats, plan.seats_included)
    else:
        seats = _seats_asked_for(wanted.seats, plan, usage)
    if (plan.plan, seats, interval) == (current.plan, current.seats, current.interval):
        raise InvalidRequest(
            Code.SAME_PLAN,
            f"Nothing would change: it is {plan.name} with {seats} seats by the {interval} already",
            field="plan",
        )
    return Resolved(seats, interval)


def _seats_asked_for(seats: int, plan: Plan, usage: Usage) -> int:
    if seats > plan.seats_included:
        raise InvalidRequest(
            Code.SEATS_ABOVE_PLAN,
            f"{plan.name} holds at most {plan.seats_included} seats, {seats} were asked for",
            field="seats",
        )
    least = max(1, usage.seats)
    if seats < least:
        raise InvalidRequest(
            Code.SEATS_BELOW_USAGE,
            f"{usage.seats} seats are in use: at least {least} are needed, {seats} were asked for",
            field="seats",
        )
    return seats
