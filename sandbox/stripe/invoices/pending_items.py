"""What an invoice is made of: invoice items from prorations, from `add_invoice_items` or by hand.

An item waits (`_waits_for` names its customer) until an invoice takes it; `_credits` keeps which debits a
proration credits, as [invoice item, invoice, line].
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..catalog.catalog import charge_of, currencies_of, price_for, pricing_of
from ..catalog.proration import Debit, Draft
from ..core.amounts import nearest
from ..core.kernel import Ctx, Obj, Store, invalid, merge_metadata, public
from ..discounts import discounts
from ..taxes import tax_rates
from .reckoning import shown_off


def pending_items(store: Store, customer: str, subscription: str | None) -> list[Obj]:
    """What waits for this subscription's next invoice, oldest first: its items and the customer's loose "
    "ones."""
    owners = (None, subscription)
    waiting = store.related("invoiceitem", "_waits_for", customer)
    return [item for item in reversed(waiting) if subscription_of(item) in owners]


def subscription_of(item: Obj) -> str | None:
    """The subscription that an invoice item belongs to."""
    parent = item["parent"]
    return parent["subscription_details"]["subscription"] if parent else None


def proration_item(ctx: Ctx, customer: str, subscription: str, draft: Draft) -> Obj:
    """A proration as an invoice item, not stored yet."""
    assert draft.charge is not None
    item = _blank(ctx, customer, draft.amount, draft.currency, (draft.start, draft.end))
    item.update(
        description=draft.description,
        discountable=not draft.proration,
        parent=_parent(subscription, draft.item),
        pricing=pricing_of(draft.charge, draft.kind),
        proration=draft.proration,
        discounts=list(draft.terms.discounts),
        net_amount=draft.amount - sum(amount for _, amount in draft.off),
        proration_details={
            "credited_items": _credited(ctx.store, draft),
            "discount_amounts": [
                {"amount": amount, "discount": id} for id, amount in shown_off(ctx, draft.off)
            ],
        },
        quantity=draft.quantity,
        quantity_decimal=str(draft.quantity),
        tax_rates=[public(ctx.store.get(tax_rates.KIND, id)) for id in draft.terms.rates or ()],
        _credits=[[debit.invoice_item, debit.invoice, debit.line] for debit in draft.credited],
        _off=[list(one) for one in draft.off],
        _rates=None if draft.terms.rates is None else list(draft.terms.rates),
    )
    return item


def extra_item(ctx: Ctx, customer: str, subscription: str | None, params: dict[str, Any]) -> Obj:
    """An `add_invoice_items` entry or an item created by hand, not stored yet."""
    price_id = params.get("price") or (params.get("pricing") or {}).get("price")
    quantity = params.get("quantity", 1)
    period = params.get("period") or {}
    span = _moment(period.get("start"), ctx.now), _moment(period.get("end"), ctx.now)
    if price_id:
        price = price_for(ctx, price_id, param="price", recurring=False)
        currency = params.get("currency") or price["currency"]
        if currency not in currencies_of(ctx.store, price):
            message = f"The price specified can't be charged in the currency {currency}."
            raise invalid(message, param="currency")
        charge = charge_of(ctx.store, price, quantity, currency)
        item = _blank(ctx, customer, nearest(charge.whole), charge.currency, span)
        item.update(
            description=charge.name,
            pricing=pricing_of(charge),
            quantity=quantity,
            quantity_decimal=str(quantity),
        )
    elif "amount" in params or "unit_amount_decimal" in params or "unit_amount" in params:
        given = params.get("unit_amount_decimal", params.get("unit_amount", params.get("amount", 0)))
        unit = Decimal(given)
        count = 1 if "amount" in params else quantity
        item = _blank(ctx, customer, nearest(unit * count), params.get("currency") or "usd", span)
        item.update(
            pricing={
                "price_details": None,
                "type": "price_details",
                "unit_amount_decimal": format(unit, "f"),
            },
            quantity=count,
            quantity_decimal=str(count),
        )
    else:
        raise invalid("You must specify one of: amount, pricing[price], unit_amount_decimal.", param="amount")
    if params.get("description"):
        item["description"] = params["description"]
    item["discountable"] = params.get("discountable", item["amount"] >= 0)
    take_terms(ctx, item, params)
    item["metadata"] = merge_metadata(None, params.get("metadata"))
    item["parent"] = _parent(subscription, None) if subscription else None
    return item


def take_terms(ctx: Ctx, item: Obj, params: dict[str, Any]) -> None:
    """Give an item the discounts and tax rates that the parameters name."""
    if "discounts" in params:
        item["discounts"] = discounts.redeem(
            ctx,
            params["discounts"] or [],
            param="discounts",
            customer=item["customer"],
            currency=item["currency"],
            invoice_item=item["id"],
        )
    if "tax_rates" in params:
        rates = tax_rates.chosen(ctx, params["tax_rates"], param="tax_rates", kept=item["tax_rates"])
        item["tax_rates"] = rates
        item["_rates"] = [rate["id"] for rate in rates] or None


def keep(ctx: Ctx, item: Obj) -> Obj:
    """Store an invoice item that waits for an invoice."""
    item["_waits_for"] = item["customer"] if item["invoice"] is None else None
    ctx.store.put(item)
    ctx.emit("invoiceitem.created", item)
    return item


def take(ctx: Ctx, item: Obj, invoice: str, line: str) -> None:
    """Note on which invoice line an item ended up."""
    item["invoice"], item["_line"], item["_waits_for"] = invoice, line, None
    ctx.store.put(item)


def release(ctx: Ctx, item: Obj) -> None:
    """Let an item wait for another invoice."""
    item["invoice"], item["_line"], item["_waits_for"] = None, None, item["customer"]
    ctx.store.put(item)


def _blank(ctx: Ctx, customer: str, amount: int, currency: str, span: tuple[int, int]) -> Obj:
    return {
        "id": ctx.store.new_id("ii"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "date": ctx.now,
        "description": None,
        "discountable": True,
        "discounts": [],
        "frozen_fields": None,
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": amount,
        "parent": None,
        "period": {"end": span[1], "start": span[0]},
        "pricing": None,
        "proration": False,
        "proration_details": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": ctx.clock,
        "_credits": [],
        "_off": [],
        "_rates": None,
    }


def _parent(subscription: str, item: str | None) -> Obj:
    return {
        "subscription_details": {"subscription": subscription, "subscription_item": item},
        "type": "subscription_details",
    }


def _credited(store: Store, draft: Draft) -> Obj | None:
    if not draft.credited:
        return None
    debit = settled(store, draft.credited[0])
    if debit.invoice is None:
        return {"invoice_item": debit.invoice_item, "invoice_line_item_details": None, "type": "invoice_item"}
    lines = [settled(store, other).line for other in draft.credited]
    return {
        "invoice_item": None,
        "invoice_line_item_details": {
            "invoice": debit.invoice,
            "invoice_line_items": [line for line in lines if line],
        },
        "type": "invoice_line_items",
    }


def settled(store: Store, debit: Debit) -> Debit:
    """The debit with the invoice line that its invoice item became since, if it did."""
    item = (
        store.find("invoiceitem", debit.invoice_item)
        if debit.invoice_item and debit.invoice is None
        else None
    )
    if item is None or item["invoice"] is None:
        return debit
    return replace(debit, invoice=item["invoice"], line=item["_line"])


def _moment(given: Any, now: int) -> int:
    """A period's end: a timestamp, or `{type, timestamp?}` as `add_invoice_items` writes it."""
    if isinstance(given, dict):
        return int(given.get("timestamp", now))
    return now if given is None else int(given)
