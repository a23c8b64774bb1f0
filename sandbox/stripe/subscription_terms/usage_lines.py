"""What metered items are charged for: what was used, priced at the price of when it was used.

Bookkeeping on a subscription: `_usage`, for each metered item (also one that is gone) its stretches as
[price, start], each until the next one begins; a price of None: the item was not metered.
In classic billing mode only the stretch of the current price counts.
https://docs.stripe.com/billing/subscriptions/usage-based, …/billing-mode
"""

from itertools import pairwise

from ..catalog.catalog import charge_of, is_metered, terms_of
from ..catalog.proration import Draft, Terms, usage
from ..core.kernel import Ctx, Obj
from ..meters.usage import used

METER = "billing.meter"


def follow_items(subscription: Obj, now: int) -> None:
    """Begin and end stretches as the subscription's items are now."""
    kept = subscription["_usage"]
    items = {item["id"]: item for item in subscription["items"]["data"]}
    for id in [*items, *(id for id in kept if id not in items)]:
        item = items.get(id)
        price = item["price"]["id"] if item and is_metered(item["price"]) else None
        stretches = kept.get(id)
        if stretches is None and price is not None:
            kept[id] = [[price, max(now, item["current_period_start"]) if item else now]]
        elif stretches is not None and stretches[-1][0] != price:
            classic = subscription["billing_mode"]["type"] == "classic"
            kept[id] = [*([] if classic else stretches), [price, now]]


def outstanding(
    ctx: Ctx, subscription: Obj, until: int, *, item: str | None = None, with_nothing: bool = False
) -> list[Draft]:
    """The charges for what was used until then and not billed yet, of one item or of all.

    `with_nothing`: also for an item of which nothing was used. Nothing is charged for during a trial.
    """
    if subscription["status"] == "trialing":
        return []
    terms = {one["id"]: one for one in subscription["items"]["data"]}
    drafts = []
    for id, stretches in subscription["_usage"].items():
        if item not in (None, id):
            continue
        for (price, start), (_, end) in pairwise([*stretches, [None, until]]):
            if price is None or start >= end:
                continue
            draft = _draft(ctx, subscription, id, terms.get(id), price, (start, end))
            last = start == stretches[-1][1]
            if draft.quantity or (with_nothing and last):
                drafts.append(draft)
    return drafts


def gone(subscription: Obj) -> list[str]:
    """Items that are not the subscription's any more, and of which something may have been used."""
    items = {item["id"] for item in subscription["items"]["data"]}
    return [id for id in subscription["_usage"] if id not in items]


def restart(subscription: Obj, items: list[str], now: int) -> None:
    """What these items used until now is billed, or never will be."""
    left = {item["id"]: item["price"] for item in subscription["items"]["data"]}
    for id in items:
        subscription["_usage"].pop(id, None)
        if id in left and is_metered(left[id]):
            subscription["_usage"][id] = [[left[id]["id"], now]]


def _draft(
    ctx: Ctx, subscription: Obj, id: str, item: Obj | None, price: str, span: tuple[int, int]
) -> Draft:
    found = ctx.store.get("price", price)
    meter = ctx.store.get(METER, found["recurring"]["meter"])
    quantity = used(ctx.store, meter, subscription["customer"], *span)
    charge = charge_of(ctx.store, found, quantity, subscription["currency"])
    return usage(id, charge, span, terms_of(item) if item else Terms())
