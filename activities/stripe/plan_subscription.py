"""A subscription to one of our plans, as the mirror keeps it: the plan's item, and what it has beside."""

from typing import Any

from billing.core.operations import Problem
from billing.plan_changes.items.add_ons import add_on_of
from billing.plan_changes.items.others import ItemFacts, in_order
from billing.plan_changes.plans import is_plan, price_problem

EXPAND_PLAN = ["items.data.price.product"]
"""What a subscription must be read with for `subscription_document`."""
EXPAND_PHASES = ["phases.discounts.discount", "phases.items.discounts.discount"]
"""What a schedule must be read with to know when its discounts end: a phase may have none that is over."""


class SubscriptionUnsupported(Exception):
    """An organization's subscription is not to a plan: exactly one item has a licensed price of one."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code=code, message=f"{message}.")


def subscription_document(data: dict[str, Any], customer: str) -> dict[str, Any]:
    """What the mirror keeps of a subscription (products expanded, items whole). Raises
    SubscriptionUnsupported."""
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
        "canceled_at": data.get("canceled_at"),
        "ended_at": data.get("ended_at"),
        "pause_collection": paused.get("behavior"),
        "resumes_at": paused.get("resumes_at"),
        "pending_update": pending.get("expires_at"),
        "others": [one.model_dump() for one in in_order(other_items(data))],
        "billing_thresholds": any(one.get("billing_thresholds") for one in (data, *data["items"]["data"])),
        "plixo_operation": (data.get("metadata") or {}).get("plixo_operation"),
        "plixo_effect": (data.get("metadata") or {}).get("plixo_effect"),
    }


def other_items(data: dict[str, Any]) -> tuple[ItemFacts, ...]:
    """What a subscription has beside its plan (products expanded)."""
    return tuple(_item(one) for one in data["items"]["data"] if not is_plan(one["price"]["product"]))


def _item(item: dict[str, Any]) -> ItemFacts:
    price, quantity = item["price"], item.get("quantity")
    product = price["product"]
    return ItemFacts(
        item=item["id"],
        price=price["id"],
        quantity=quantity,
        name=product.get("name") or product["id"],
        add_on=add_on_of(product) if quantity is not None else None,
        interval=price["recurring"]["interval"],
        interval_count=price["recurring"]["interval_count"],
        unit_amount=price["unit_amount"],
    )


def _plan_item(data: dict[str, Any], customer: str) -> dict[str, Any]:
    """The item of a subscription's plan. Raises SubscriptionUnsupported."""
    items, of = data["items"]["data"], data["id"]
    if data["customer"] != customer:
        raise SubscriptionUnsupported(
            "other_customer", f"{of} is customer {data['customer']}'s, not {customer}'s"
        )
    plans = [one for one in items if is_plan(one["price"]["product"])]
    if not plans:
        sold = ", ".join(one["price"]["product"]["id"] for one in items)
        raise SubscriptionUnsupported("no_plan", f"{of} is for {sold}, which is no plan")
    if len(plans) > 1:
        raise SubscriptionUnsupported("several_plans", f"{of} has {len(plans)} items of plans, and not one")
    if data["items"].get("has_more"):
        raise SubscriptionUnsupported("items_unread", f"{of} has more items than can be read at once")
    item: dict[str, Any] = plans[0]
    price = item["price"]
    if (problem := price_problem(price)) is not None:
        raise SubscriptionUnsupported(
            problem.code, f"{of} is at the price {price['id']}, which {problem.message}"
        )
    return item
