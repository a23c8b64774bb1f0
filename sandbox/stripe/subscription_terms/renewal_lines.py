"""What the next renewal bills: the items of a subscription one period on, and their charges."""

from ..catalog.catalog import every, item_charge
from ..catalog.proration import Draft, recurring
from ..core.kernel import Ctx, Obj, public
from ..core.periods import period_after
from .worths import terms_of


def renew_items(ctx: Ctx, items: list[Obj], anchor: int, at: int) -> tuple[list[Obj], list[Draft]]:
    """Copies of the items, those whose period has ended by `at` one period on, and what those are charged."""
    renewed, drafts = [], []
    for item in public(items):
        if item["current_period_end"] <= at:
            start, end = period_after(anchor, *every(item["price"]), item["current_period_end"])
            item["current_period_start"], item["current_period_end"] = start, end
            drafts.append(recurring(item["id"], item_charge(ctx.store, item), start, end, terms_of(item)))
        renewed.append(item)
    return renewed, drafts
