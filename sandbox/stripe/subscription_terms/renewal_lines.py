"""What the next renewal bills: the items of a subscription one period on, and their charges."""

from ..catalog.catalog import every, is_metered, item_charge, terms_of
from ..catalog.proration import Draft, recurring
from ..core.kernel import Ctx, Obj, public
from ..core.periods import period_after
from .shapes import items_of
from .usage_lines import gone, outstanding


def renew_items(ctx: Ctx, subscription: Obj, at: int) -> tuple[list[Obj], list[Draft]]:
    """Copies of the items, those whose period has ended by `at` one period on, and what those are charged.

    Metered items are charged for what was used in the period that ended.
    """
    renewed, drafts = [], []
    for item in public(items_of(subscription)):
        if item["current_period_end"] <= at:
            anchor = subscription["billing_cycle_anchor"]
            start, end = period_after(anchor, *every(item["price"]), item["current_period_end"])
            item["current_period_start"], item["current_period_end"] = start, end
            drafts += outstanding(ctx, subscription, at, item=item["id"], with_nothing=True)
            if not is_metered(item["price"]):
                drafts.append(
                    recurring(
                        item["id"],
                        item_charge(ctx.store, item, subscription["currency"]),
                        start,
                        end,
                        terms_of(item),
                    )
                )
        renewed.append(item)
    for id in gone(subscription):
        drafts += outstanding(ctx, subscription, at, item=id)
    return renewed, drafts
