"""A subscription to one of our plans, as the mirror keeps it: one item, with a licensed price of a plan."""

from typing import Any

from billing.plan_changes.plans import is_plan, price_problem

EXPAND_PLAN = ["items.data.price.product"]
"""What a subscription must be read with for `subscription_document`."""


class SubscriptionUnsupported(Exception):
    """An organization's subscription is not what a plan is: one item, with a licensed price of a plan."""


def subscription_document(data: dict[str, Any], customer: str) -> dict[str, Any]:
    """What the mirror keeps of a subscription (products expanded). Raises SubscriptionUnsupported."""
    items = data["items"]["data"]
    if data["customer"] != customer:
        raise SubscriptionUnsupported(f"{data['id']} is customer {data['customer']}'s, not {customer}'s")
    if len(items) != 1:
        raise SubscriptionUnsupported(f"{data['id']} has {len(items)} items; a plan is exactly one")
    [item] = items
    price = item["price"]
    if not is_plan(price["product"]):
        raise SubscriptionUnsupported(f"{data['id']} is for {price['product']['id']}, which is no plan")
    if problem := price_problem(price):
        raise SubscriptionUnsupported(f"{data['id']} is at the price {price['id']}, which {problem}")
    return {
        "plan": price["product"]["metadata"]["plixo_plan"],
        "price": price["id"],
        "seats": item["quantity"],
        "interval": price["recurring"]["interval"],
        "currency": data["currency"],
        "period_start": item["current_period_start"],
        "period_end": item["current_period_end"],
        "status": data["status"],
        "item": item["id"],
        "schedule": data.get("schedule"),
        "cancel_at": data.get("cancel_at"),
        "plixo_operation": (data.get("metadata") or {}).get("plixo_operation"),
        "plixo_effect": (data.get("metadata") or {}).get("plixo_effect"),
    }
