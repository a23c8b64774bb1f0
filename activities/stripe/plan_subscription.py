"""A subscription to one of our plans, as the mirror keeps it: one item, with a licensed price of a plan."""

from typing import Any

from billing.core.operations import Problem
from billing.plan_changes.plans import is_plan, price_problem

EXPAND_PLAN = ["items.data.price.product"]
"""What a subscription must be read with for `subscription_document`."""


class SubscriptionUnsupported(Exception):
    """An organization's subscription is not what a plan is: one item, with a licensed price of a plan."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code=code, message=f"{message}.")


def subscription_document(data: dict[str, Any], customer: str) -> dict[str, Any]:
    """What the mirror keeps of a subscription (products expanded). Raises SubscriptionUnsupported."""
    item = _plan_item(data, customer)
    price = item["price"]
    paused, pending = data.get("pause_collection") or {}, data.get("pending_update") or {}
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
        "pause_collection": paused.get("behavior"),
        "resumes_at": paused.get("resumes_at"),
        "pending_update": pending.get("expires_at"),
        "billing_thresholds": any(one.get("billing_thresholds") for one in (data, item)),
        "plixo_operation": (data.get("metadata") or {}).get("plixo_operation"),
        "plixo_effect": (data.get("metadata") or {}).get("plixo_effect"),
    }


def _plan_item(data: dict[str, Any], customer: str) -> dict[str, Any]:
    """The one item of a subscription to a plan. Raises SubscriptionUnsupported."""
    items, of = data["items"]["data"], data["id"]
    if data["customer"] != customer:
        raise SubscriptionUnsupported(
            "other_customer", f"{of} is customer {data['customer']}'s, not {customer}'s"
        )
    if len(items) != 1:
        metered = any(one["price"]["recurring"].get("usage_type") == "metered" for one in items)
        code, among = ("metered_items", ", metered ones among them") if metered else ("several_items", "")
        raise SubscriptionUnsupported(code, f"{of} has {len(items)} items{among}; a plan is exactly one")
    item: dict[str, Any] = items[0]
    price = item["price"]
    if not is_plan(price["product"]):
        raise SubscriptionUnsupported("no_plan", f"{of} is for {price['product']['id']}, which is no plan")
    if (problem := price_problem(price)) is not None:
        raise SubscriptionUnsupported(
            problem.code, f"{of} is at the price {price['id']}, which {problem.message}"
        )
    return item
