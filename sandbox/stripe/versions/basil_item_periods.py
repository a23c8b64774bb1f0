"""2025-03-31.basil: each item of a subscription has its own period; the subscription had one.

https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end
"""

from ..core.kernel import Ctx, Obj
from .registry import answers

BOUNDS = ("current_period_start", "current_period_end")


@answers("2025-03-31.basil", "subscription")
def one_period(ctx: Ctx, subscription: Obj) -> None:
    """The items' period on the subscription; of several, the one that ends first."""
    items = (subscription.get("items") or {}).get("data") or []
    whole = [item for item in items if BOUNDS[1] in item and BOUNDS[0] in item]
    if whole:
        first = min(whole, key=lambda item: int(item[BOUNDS[1]]))
        subscription.update({bound: first[bound] for bound in BOUNDS})
    for item in items:
        for bound in BOUNDS:
            item.pop(bound, None)
