"""What a subscription's items cost for a period once discounts are taken off, and what is unused of it.

Prorations are of these amounts. In *flexible* billing mode a discount is spread over all items and a credit
is of what was really debited; in *classic* mode each item is reckoned alone, at today's price and discounts.
https://docs.stripe.com/billing/subscriptions/billing-mode
"""

from ..catalog.catalog import item_charge, terms_of
from ..catalog.proration import Charge, Draft, Terms, Worth, credits, debit_of_price
from ..core.amounts import nearest
from ..core.kernel import Ctx, Obj
from ..discounts import discounts
from ..invoices.reckoning import reductions
from ..invoices.totals import Entry, reckon
from .shapes import debits_of, in_trial, runs_until


def worths_of(ctx: Ctx, subscription: Obj, items: list[Obj]) -> dict[str, Worth]:
    """What each of these items costs, when all of them are the subscription's."""
    if subscription["billing_mode"]["type"] == "classic":
        return {item["id"]: _together(ctx, subscription, [item])[0] for item in items}
    return dict(zip([item["id"] for item in items], _together(ctx, subscription, items), strict=True))


def itemizes(subscription: Obj) -> bool:
    """Whether prorations show their amount before discounts, and the discounts beside it."""
    flexible = subscription["billing_mode"]["flexible"]
    return bool(flexible and flexible["proration_discounts"] == "itemized")


def credits_of(ctx: Ctx, subscription: Obj, item: Obj, at: int) -> list[Draft]:
    """The credit lines of an item that goes or changes at `at`; nothing is unused of a trial."""
    if in_trial(subscription, ctx.now):
        return []
    modified = _asks_discounts(ctx) and ctx.switches.credit_discounts == "modified"
    return credits(
        "classic" if modified else subscription["billing_mode"]["type"],
        item["id"],
        item_charge(ctx.store, item, subscription["currency"]),
        worths_of(ctx, subscription, [item])[item["id"]],
        (item["current_period_start"], item["current_period_end"]),
        at,
        debits_of(ctx.store, subscription, item["id"]),
        runs_until(subscription, item["current_period_end"]),
        itemized=itemizes(subscription),
    )


def debit_of(
    ctx: Ctx, subscription: Obj, item: Obj, worth: Worth, period: tuple[int, int], at: int
) -> Draft | None:
    """What remains at `at` of an item's period at its price."""
    charge = item_charge(ctx.store, item, subscription["currency"])
    until = runs_until(subscription, period[1])
    return debit_of_price(item["id"], charge, worth, period, at, until, itemized=itemizes(subscription))


def _asks_discounts(ctx: Ctx) -> bool:
    """Whether the request changes discounts."""
    entries = (ctx.params.get("subscription_details") or ctx.params).get("items") or []
    return "discounts" in ctx.params or any("discounts" in entry for entry in entries)


def _together(ctx: Ctx, subscription: Obj, items: list[Obj]) -> list[Worth]:
    charges = [item_charge(ctx.store, item, subscription["currency"]) for item in items]
    shared = discounts.of_subscription(ctx, subscription)
    own = [discounts.running(ctx, item["discounts"]) for item in items]
    if not shared and not any(own):
        return [Worth(charge.whole, (), terms_of(item)) for charge, item in zip(charges, items, strict=True)]
    currency = subscription["currency"]
    entries = [_entry(ctx, charge, mine, currency) for charge, mine in zip(charges, own, strict=True)]
    sums = reckon(entries, reductions(ctx, shared, currency), "line", ctx.switches.amount_off_remainder)
    return [
        Worth(
            charge.whole,
            (*line.own, *line.shared),
            Terms((*mine, *(id for id, _ in line.shared)), terms_of(item).rates),
        )
        for charge, line, mine, item in zip(charges, sums.lines, own, items, strict=True)
    ]


def _entry(ctx: Ctx, charge: Charge, own: list[str], currency: str) -> Entry:
    return Entry(nearest(charge.whole), charge.product, reductions=reductions(ctx, own, currency))
