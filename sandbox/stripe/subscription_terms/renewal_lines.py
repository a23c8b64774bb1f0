"""What the next renewal bills: the items of a subscription one period on, and their charges."""

from dataclasses import replace

from ..catalog.catalog import every, is_metered, item_charge, terms_of
from ..catalog.proration import Charge, Draft, recurring
from ..core.amounts import share
from ..core.kernel import Ctx, Obj, public
from ..core.periods import period_after
from .shapes import items_of, runs_until
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
                charge = item_charge(ctx.store, item, subscription["currency"])
                whole = recurring(item["id"], charge, start, end, terms_of(item))
                drafts.append(_until_its_end(subscription, charge, whole))
        renewed.append(item)
    for id in gone(subscription):
        drafts += outstanding(ctx, subscription, at, item=id)
    return renewed, drafts


def _until_its_end(subscription: Obj, charge: Charge, whole: Draft) -> Draft:
    """Of a period in which the subscription ends only the part before that is charged."""
    end = runs_until(subscription, whole.end)
    amount = share(charge.whole, end - whole.start, whole.end - whole.start)
    return whole if end == whole.end else replace(whole, amount=amount, end=end)
