"""When a trial ends: as asked, or by the prices' own trial periods.

https://docs.stripe.com/billing/subscriptions/trials
"""

from collections.abc import Iterable
from typing import Any, Literal

from ..core.kernel import Obj, invalid
from ..core.periods import DAY, shift

TOLD_BEFORE = 3 * DAY
"""So long before its end `customer.subscription.trial_will_end` tells of a trial."""


def asked_end(params: dict[str, Any], prices: Iterable[Obj], now: int) -> int | Literal["now"] | None:
    """The end that the parameters ask for; None when they ask for no trial.

    Raises 400 for two of them at once, a time in the past, and a trial longer than two years.
    """
    given = [name for name in ("trial_end", "trial_from_plan", "trial_period_days") if params.get(name)]
    if len(given) > 1:
        named = " and ".join(given)
        raise invalid(f"You may only specify one of these parameters: {named}.", param=given[0])
    end = params.get("trial_end")
    if params.get("trial_period_days"):
        end = now + params["trial_period_days"] * DAY
    elif params.get("trial_from_plan"):
        days = [price["recurring"]["trial_period_days"] or 0 for price in prices]
        end = now + max(days) * DAY if any(days) else None
    if isinstance(end, int) and end <= now:
        raise invalid("Invalid timestamp: can't be in the past", param="trial_end")
    if isinstance(end, int) and end > shift(now, "year", 2):
        raise invalid("A trial can't be longer than two years.", param=given[0])
    return end or None


def begin(subscription: Obj, end: int, now: int) -> None:
    """Note the trial, and when its end is to be told of."""
    subscription["trial_start"] = subscription["trial_start"] or now
    subscription["trial_end"] = end
    subscription["_tell_trial_end"] = max(now, end - TOLD_BEFORE)
