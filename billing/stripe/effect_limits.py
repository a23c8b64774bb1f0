"""How often Stripe lets one object be changed (Stripe, "Rate limits"), as rules for our effects.

An organization has one subscription, so its effects are counted. Every change of it counts as one that makes
an invoice: that may postpone a change that makes none, and never lets one run into a refusal.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from .effects import EffectKind


class Limit(NamedTuple):
    most: int
    within: timedelta


LIMITS: Mapping[EffectKind, Sequence[Limit]] = {
    "subscription.update": (
        Limit(10, timedelta(minutes=1)),  # new invoices
        Limit(200, timedelta(hours=1)),  # updates of the quantity
        Limit(20, timedelta(days=1)),  # new invoices
    ),
}


def until_free(limits: Sequence[Limit], newest_first: Sequence[datetime], now: datetime) -> timedelta | None:
    """How long to wait before one more; None when it may be done now.

    `newest_first` are the times of the last ones, as many as the largest limit allows.
    """
    waits = [
        newest_first[limit.most - 1] + limit.within - now
        for limit in limits
        if len(newest_first) >= limit.most
    ]
    longest = max(waits, default=timedelta(0))
    return longest if longest > timedelta(0) else None
