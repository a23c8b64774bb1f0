"""An end that lies within a period: what the part after it comes to.

https://docs.stripe.com/billing/subscriptions/cancel
"""

from typing import Any

from ..core.amounts import share
from ..core.kernel import Ctx, Obj, invalid, public
from .changes import CHANGES_BILLING, Change
from .shapes import in_trial, items_of, runs_until
from .terms import end_asked
from .worths import credits_of, debit_of, worths_of


def plan_cancellation(ctx: Ctx, subscription: Obj, wanted: dict[str, Any]) -> Change | None:
    """The credits of an end that comes nearer within the current period, the debits of one that moves away.

    None when there are none. Raises 400 for such an end together with another change of what is billed.
    """
    if "cancel_at" not in wanted and "cancel_at_period_end" not in wanted:
        return None
    behavior = wanted.get("proration_behavior") or "create_prorations"
    after = {**subscription, "cancel_at": end_asked(ctx, subscription, wanted)}
    if behavior == "none" or in_trial(subscription, ctx.now) or subscription["status"] == "paused":
        return None
    items = items_of(subscription)
    change = Change(ctx.now, public(items), always_invoice=behavior == "always_invoice")
    worths = worths_of(ctx, subscription, items)
    for item in items:
        period = item["current_period_start"], item["current_period_end"]
        old, new = runs_until(subscription, period[1]), runs_until(after, period[1])
        if new < old:
            change.prorations += credits_of(ctx, subscription, item, new)
        elif new > old:
            more = debit_of(ctx, after, item, worths[item["id"]], period, old)
            change.prorations += [more] if more else []
    if change.prorations and any(name in wanted for name in CHANGES_BILLING):
        raise invalid(
            "This stand-in prorates for `cancel_at` or for another change, not for both at once.",
            param="cancel_at",
        )
    return change if change.prorations else None


def shorten_debits(subscription: Obj) -> None:
    """What was debited for the time after the end was credited when the end was set."""
    for entries in subscription["_debits"].values():
        for entry in entries:
            end = runs_until(subscription, entry["end"])
            gone, whole = entry["end"] - max(end, entry["start"]), entry["end"] - entry["start"]
            if gone > 0:
                entry["amount"] -= share(entry["amount"], gone, whole)
                entry["off"] = [[one, amount - share(amount, gone, whole)] for one, amount in entry["off"]]
                entry["end"] = max(end, entry["start"])
