"""Which billing intervals one subscription can have together.

https://docs.stripe.com/billing/subscriptions/mixed-interval
"""

from collections.abc import Iterable

from ..core.kernel import Obj, invalid
from .catalog import every

IN_DAYS = {"day": 1, "week": 7}
IN_MONTHS = {"month": 1, "year": 12}


def check_together(prices: Iterable[Obj], mode: str) -> None:
    """Refuse intervals that don't go together: in classic billing mode they are all the same one; in
    flexible mode each is a multiple of the shortest, counted in days or in months."""
    intervals = {every(price) for price in prices}
    if mode == "classic" and len(intervals) > 1:
        raise invalid(
            "Currently, all items of a subscription in classic billing mode must have the same billing "
            "interval.",
            param="items",
        )
    for unit in (IN_DAYS, IN_MONTHS):
        lengths = [unit[name] * count for name, count in intervals if name in unit]
        if len(lengths) == len(intervals) and all(length % min(lengths) == 0 for length in lengths):
            return
    raise invalid(
        "Every billing interval of a subscription's items must be a multiple of the shortest one.",
        param="items",
    )
