"""The start of a subscription: items, first period, first invoice, first payment.

https://docs.stripe.com/billing/subscriptions/overview#payment-behavior
"""

from dataclasses import replace
from typing import Any

from ..catalog import intervals
from ..catalog.catalog import (
    currencies_of,
    every,
    is_metered,
    item_charge,
    price_for,
    subscription_item,
    terms_of,
)
from ..catalog.proration import Draft, recurring, trial
from ..core.amounts import share
from ..core.kernel import Ctx, Obj, invalid, merge_metadata
from ..core.periods import period_after, period_at
from ..core.updates import without_effect
from ..invoices import invoicing
from ..invoices.invoice_lines import all_lines
from ..invoices.pending_items import extra_item, keep, pending_items
from ..subscription_terms.shapes import blank, debit_of_line, items_of, save, set_items
from ..subscription_terms.terms import (
    refuse_unsupported,
    take_cancellation,
    take_item_pricing,
    take_pricing,
    take_terms,
)
from ..subscription_terms.trials import asked_end, begin
from .anchors import anchor_of, config_of
from .billing import book_debits, collect

MOST_PERIODS = 250
"""So many periods a subscription may be backdated by."""


def open_subscription(ctx: Ctx) -> Obj:
    """Create a subscription as asked; a failed first payment is handled as `payment_behavior` says.

    Raises 400 for what Stripe refuses, 402 under `error_if_incomplete`.
    """
    refuse_unsupported(ctx)
    without_effect(ctx, "off_session", "proration_behavior")  # where nothing is billed
    behavior = ctx.params.get("payment_behavior", "allow_incomplete")
    if behavior == "pending_if_incomplete":
        raise invalid(
            "`payment_behavior=pending_if_incomplete` is only for updates.", param="payment_behavior"
        )
    subscription, drafts = compose_new(ctx, ctx.params)
    take_terms(ctx, subscription)
    take_cancellation(ctx, subscription)
    items = items_of(subscription)
    period = {
        "start": max(item["current_period_start"] for item in items),
        "end": min(item["current_period_end"] for item in items),
    }
    extras = [
        extra_item(ctx, subscription["customer"], subscription["id"], {"period": period, **extra})
        for extra in ctx.params.get("add_invoice_items", [])
    ]
    return start(ctx, subscription, drafts, extras, behavior=behavior)


def start(
    ctx: Ctx, subscription: Obj, drafts: list[Draft], extras: list[Obj], *, behavior: str, held: bool = False
) -> Obj:
    """Store a new subscription and bill its first charges with the invoice items `extras`.

    `held`: the first invoice stays a draft for an hour, as a renewal's.
    """
    customer = ctx.store.get("customer", subscription["customer"])
    if customer["currency"] is None:
        customer["currency"] = subscription["currency"]
        ctx.store.put(customer)
        ctx.emit("customer.updated", customer, {"currency": None})
    trialing = subscription["trial_end"] is not None
    subscription["status"] = "trialing" if trialing else "active"
    save(ctx, subscription)
    for extra in extras:
        keep(ctx, extra)
    if drafts or pending_items(ctx.store, customer["id"], subscription["id"]):
        _first_invoice(ctx, subscription, customer, drafts, behavior, held and not trialing)
    save(ctx, subscription)
    ctx.emit("customer.subscription.created", subscription)
    return subscription


def compose_new(ctx: Ctx, params: dict[str, Any], *, inherits: bool = True) -> tuple[Obj, list[Draft]]:
    """A subscription with its first periods, not stored, and the charges of its first invoice.

    `inherits`: whether its customer's discount is its own as long as it has none.
    """
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", code="parameter_missing", param="customer")
    if not params.get("items"):
        raise invalid("Missing required param: items.", code="parameter_missing", param="items")
    customer = ctx.store.get("customer", params["customer"], param="customer", status=400)
    prices = [_price_of(ctx, entry, index) for index, entry in enumerate(params["items"])]
    mode = billing_mode(ctx, params.get("billing_mode"))
    currency = _check_together(ctx, prices, params.get("currency"), customer, mode["type"])
    subscription = blank(ctx, customer["id"], currency, mode)
    start = params.get("backdate_start_date") or params.get("start_date") or ctx.now
    end = asked_end(params, prices, ctx.now)
    trial_end = None if end == "now" else end
    anchor = anchor_of(ctx, params, prices, start, trial_end, mode["type"])
    subscription.update(
        billing_cycle_anchor=anchor,
        billing_cycle_anchor_config=config_of(params),
        start_date=start,
        test_clock=customer.get("test_clock"),
        _inherits=inherits,
    )
    if trial_end:
        begin(subscription, trial_end, ctx.now)
    take_pricing(ctx, subscription, params)
    items = []
    for index, (price, entry) in enumerate(zip(prices, params["items"], strict=True)):
        period = (start, trial_end) if trial_end else _periods(anchor, price, start, ctx.now)[-1]
        metadata = merge_metadata(None, entry.get("metadata"))
        where = f"items[{index}]"
        quantity = entry.get("quantity")
        item = subscription_item(ctx, subscription["id"], price, quantity, metadata, period, where)
        take_item_pricing(ctx, subscription, item, entry, where)
        items.append(item)
    set_items(subscription, items)
    behavior = params.get("proration_behavior", "create_prorations")
    return subscription, _first_charges(ctx, subscription, anchor, behavior)


def _first_invoice(
    ctx: Ctx, subscription: Obj, customer: Obj, drafts: list[Draft], behavior: str, held: bool
) -> None:
    finalizes: dict[str, Any] = {}
    if held:
        finalizes["automatically_finalizes_at"] = ctx.now + invoicing.FINALIZE_AFTER
    invoice = invoicing.draw_up(
        ctx,
        customer,
        currency=subscription["currency"],
        reason="subscription_create",
        items=pending_items(ctx.store, customer["id"], subscription["id"]),
        drafts=drafts,
        subscription=subscription,
        **finalizes,
    )
    subscription["latest_invoice"] = invoice["id"]
    debited = [debit_of_line(line) for line in all_lines(invoice)]
    book_debits(subscription, [], [one for one in debited if one])
    if held:
        return
    trialing = subscription["status"] == "trialing"
    subscription["status"] = (
        "incomplete" if _charges(subscription) and not trialing else subscription["status"]
    )
    off_session = ctx.params.get("off_session", False)
    subscription["_editing"] = True  # its first event is its creation
    collect(ctx, subscription, invoice, behavior=behavior, off_session=off_session)
    del subscription["_editing"]
    if invoice["status"] == "paid" and subscription["status"] == "incomplete":
        subscription["status"] = "active"


def _charges(subscription: Obj) -> bool:
    return bool(subscription["collection_method"] == "charge_automatically")


def _first_charges(ctx: Ctx, subscription: Obj, anchor: int, behavior: str) -> list[Draft]:
    """One line for each item and period; of a backdated subscription also for the periods since its start."""
    drafts = []
    for item in items_of(subscription):
        charge, terms = item_charge(ctx.store, item, subscription["currency"]), terms_of(item)
        start, end = item["current_period_start"], item["current_period_end"]
        if subscription["trial_end"]:
            drafts.append(trial(item["id"], charge, start, end, terms, subscription["billing_mode"]["type"]))
            continue
        if is_metered(item["price"]):  # is charged for afterwards; classic mode has a line of nothing
            if subscription["billing_mode"]["type"] == "classic":
                drafts.append(recurring(item["id"], charge, start, end, terms))
            continue
        spans = _periods(anchor, item["price"], subscription["start_date"], ctx.now)
        if len(spans) > 1 and behavior == "none":
            continue
        if len(spans) > MOST_PERIODS:
            message = f"A subscription can be backdated by at most {MOST_PERIODS} billing periods."
            raise invalid(message, param="backdate_start_date")
        for start, end in spans:
            whole = period_at(anchor, *every(item["price"]), start)
            if whole == (start, end):
                drafts.append(recurring(item["id"], charge, start, end, terms))
            elif behavior != "none":  # Stripe: a debit that is no proration, even when it is of a part
                part = recurring(item["id"], charge, start, end, terms)
                drafts.append(replace(part, amount=share(charge.whole, end - start, whole[1] - whole[0])))
    return drafts


def _periods(anchor: int, price: Obj, start: int, now: int) -> list[tuple[int, int]]:
    """The periods from a subscription's start to the one of this time."""
    spans = [period_after(anchor, *every(price), start)]
    while spans[-1][1] <= now:
        spans.append(period_after(anchor, *every(price), spans[-1][1]))
    return spans


def _price_of(ctx: Ctx, entry: dict[str, Any], index: int) -> Obj:
    price = entry.get("price") or entry.get("plan")
    where = f"items[{index}][price]"
    if not price:
        raise invalid(f"Missing required param: {where}.", code="parameter_missing", param=where)
    return price_for(ctx, price, param=where)


def _check_together(ctx: Ctx, prices: list[Obj], asked: str | None, customer: Obj, mode: str) -> str:
    """The currency of a subscription to these prices: that asked for, the customer's, or a price's own."""
    ids = [price["id"] for price in prices]
    for id in ids:
        if ids.count(id) > 1 and ctx.switches.same_price_twice == "refused":
            raise invalid(f"Cannot add multiple subscription items with the same plan: {id}", param="items")
    shared = set.intersection(*(currencies_of(ctx.store, price) for price in prices))
    if not shared:
        raise invalid("All items of a subscription must have the same currency.", param="items")
    preferred = [asked] if asked else [customer["currency"], *(price["currency"] for price in prices)]
    currency = next((one for one in preferred if one in shared), None)
    if currency is None and asked:
        message = f"The price specified only supports {', '.join(sorted(shared))}."
        raise invalid(message, param="currency")
    currency = currency or min(shared)
    if customer["currency"] not in (None, currency):
        raise invalid(
            "You cannot combine currencies on a single customer. This customer has had a subscription, "
            "coupon, or invoice "
            f"item with currency {customer['currency']}",
            param="items",
        )
    intervals.check_together(prices, mode)
    return currency


def billing_mode(ctx: Ctx, given: dict[str, Any] | None) -> dict[str, Any]:
    """Flexible unless asked otherwise, as the pinned API version has it."""
    type = (given or {}).get("type", "flexible")
    if type == "classic":
        return {"flexible": None, "type": "classic"}
    discounts = ((given or {}).get("flexible") or {}).get("proration_discounts", "included")
    return {"flexible": {"proration_discounts": discounts}, "type": "flexible", "updated_at": ctx.now}
