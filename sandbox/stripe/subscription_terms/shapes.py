"""Subscriptions as objects: their shape, how they are stored and how their changes are told.

Bookkeeping on a subscription: `_debits` (item id -> amounts debited for its period and not credited since),
`_pending` (an update that waits for its payment), `_resuming` (a resumption that does), `_tell_trial_end`
(when the end of its trial is told of), `_usage` (see usage_lines.py), `_due` (when it next wants attention).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..catalog.catalog import charge_of
from ..catalog.proration import Debit, Terms
from ..core.kernel import Ctx, Obj, Store, list_object, public
from ..core.updates import differences
from ..invoices.pending_items import settled
from ..taxes.automatic_tax import AUTOMATIC
from .usage_lines import follow_items

INCOMPLETE_FOR = 23 * 3600
"""Seconds that a first payment, or the payment of a pending update, may take."""
LIVE = ("active", "past_due", "trialing", "unpaid")


def blank(ctx: Ctx, customer: str, currency: str, mode: dict[str, Any]) -> Obj:
    """A subscription without items, not stored."""
    return {
        "id": ctx.store.new_id("sub"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": ctx.now,
        "billing_cycle_anchor_config": None,
        "billing_mode": mode,
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": ctx.now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": list_object([], "/v1/subscription_items"),
        "latest_invoice": None,
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": ctx.now,
        "status": "active",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
        "_debits": {},
        "_pending": None,
        "_resuming": None,
        "_tell_trial_end": None,
        "_usage": {},
    }


def items_of(subscription: Obj) -> list[Obj]:
    """The live list of a subscription's items."""
    items: list[Obj] = subscription["items"]["data"]
    return items


def set_items(subscription: Obj, items: list[Obj]) -> None:
    """Replace a subscription's items."""
    url = f"/v1/subscription_items?subscription={subscription['id']}"
    subscription["items"] = {**list_object(items, url), "total_count": len(items)}


def period_end(subscription: Obj) -> int:
    """When the subscription's next period ends."""
    return min(int(item["current_period_end"]) for item in items_of(subscription))


def runs_until(subscription: Obj, end: int) -> int:
    """When a period that ends then is really over: at the subscription's own end, if that comes before."""
    at = subscription["cancel_at"]
    return end if at is None else min(end, int(at))


def in_trial(subscription: Obj, now: int) -> bool:
    """Whether the items cost nothing at the moment."""
    return (
        subscription["status"] == "trialing"
        and subscription["trial_end"] is not None
        and subscription["trial_end"] > now
    )


def save(ctx: Ctx, subscription: Obj) -> Obj:
    """Store a subscription and when it next wants attention."""
    follow_items(subscription, ctx.now)
    subscription["_due"] = _due(subscription)
    return ctx.store.put(subscription)


@contextmanager
def editing(ctx: Ctx, subscription: Obj) -> Iterator[None]:
    """Change a subscription within; at the end it is stored and the change told once, however nested."""
    if subscription.get("_editing"):
        yield
        return
    subscription["_editing"] = True
    before = public(subscription)
    yield
    del subscription["_editing"]
    save(ctx, subscription)
    if changed := differences(before, subscription):
        ctx.emit("customer.subscription.updated", subscription, changed)


def debits_of(store: Store, subscription: Obj, item: str) -> list[Debit]:
    """What was debited for an item's current period, and neither credited since nor deleted unbilled."""
    debits = [
        settled(
            store,
            Debit(
                amount=debit["amount"],
                start=debit["start"],
                end=debit["end"],
                charge=charge_of(
                    store, store.get("price", debit["price"]), debit["quantity"], subscription["currency"]
                ),
                invoice_item=debit["invoice_item"],
                invoice=debit["invoice"],
                line=debit["line"],
                off=tuple((discount, amount) for discount, amount in debit["off"]),
                terms=Terms(
                    tuple(debit["discounts"]), None if debit["rates"] is None else tuple(debit["rates"])
                ),
            ),
        )
        for debit in subscription["_debits"].get(item, [])
    ]
    return [
        debit
        for debit in debits
        if debit.invoice or not debit.invoice_item or store.find("invoiceitem", debit.invoice_item)
    ]


def debit_of_line(line: Obj) -> tuple[str, Obj] | None:
    """What an invoice line debits: the subscription item and its entry; None for other lines."""
    details = line["parent"]["subscription_item_details"]
    if details is None or line["amount"] <= 0:
        return None
    off = [[one["discount"], one["amount"]] for one in line["discount_amounts"] if one["amount"]]
    by_hand = not any(tax["tax_rate_details"]["tax_rate"].startswith(AUTOMATIC) for tax in line["taxes"])
    entry = {
        "amount": line["amount"] - sum(amount for _, amount in off),
        "start": line["period"]["start"],
        "end": line["period"]["end"],
        "price": line["pricing"]["price_details"]["price"],
        "quantity": line["quantity"],
        "invoice_item": details["invoice_item"],
        "invoice": line["invoice"],
        "line": line["id"],
        "off": off,
        "discounts": [one["discount"] for one in line["discount_amounts"]],
        "rates": [tax["tax_rate_details"]["tax_rate"] for tax in line["taxes"]] if by_hand else None,
    }
    return details["subscription_item"], entry


def debit_of_item(item: Obj) -> tuple[str, Obj] | None:
    """The same for an invoice item that waits for its invoice."""
    if not item["proration"] or item["amount"] <= 0:
        return None
    entry = {
        "amount": item["net_amount"],
        "start": item["period"]["start"],
        "end": item["period"]["end"],
        "price": item["pricing"]["price_details"]["price"],
        "quantity": item["quantity"],
        "invoice_item": item["id"],
        "invoice": None,
        "line": None,
        "off": item["_off"],
        "discounts": item["discounts"],
        "rates": item["_rates"],
    }
    return item["parent"]["subscription_details"]["subscription_item"], entry


def _due(subscription: Obj) -> int | None:
    status = subscription["status"]
    if status == "incomplete":
        return int(subscription["created"]) + INCOMPLETE_FOR
    if status == "paused":
        moments: list[int] = [subscription["_resuming"]["expires_at"]] if subscription["_resuming"] else []
        moments += [subscription["cancel_at"]] if subscription["cancel_at"] is not None else []
        return min(moments, default=None)
    if status not in LIVE:
        return None
    moments = [period_end(subscription)]
    if subscription["cancel_at"] is not None:
        moments.append(subscription["cancel_at"])
    if subscription["status"] == "trialing" and subscription["_tell_trial_end"]:
        moments.append(subscription["_tell_trial_end"])
    if (paused := subscription["pause_collection"]) and paused["resumes_at"]:
        moments.append(paused["resumes_at"])
    if subscription["pending_update"]:
        moments.append(subscription["pending_update"]["expires_at"])
    return min(moments)
