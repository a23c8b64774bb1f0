"""What the activities of the baselines do: nothing, or one call to Stripe by the SDK.

The calls are those of the reference, by the names of its activities: the benchmark looks into the stand-in's
request log and refuses to go on when they differ.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import stripe
from pydantic import BaseModel, ConfigDict
from temporalio import activity

from ..shapes.reference import REVIEW

EXPAND_PLAN = ["items.data.price.product"]
Facts = dict[str, Any]


class PlainCall(BaseModel):
    """One call; `facts` are what is known so far: subscription, price, seats, then item and second."""

    model_config = ConfigDict(frozen=True)

    name: str
    facts: Facts


class Nothing:
    """An activity's bare cost, but for a line in a file when a review opens: the driver waits for that.

    The product's reviews are seen in its records instead.
    """

    def __init__(self, opened: Path) -> None:
        self._opened = opened

    @activity.defn
    async def nothing(self) -> None:
        info = activity.info()
        if info.is_local and info.workflow_type == f"Bare{REVIEW}":
            with self._opened.open("a") as lines:
                lines.write(f"{info.workflow_id}\n")


class Calls:
    """The calls of a plan change."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._stripe = client.v1
        self._calls: dict[str, Callable[[Facts], Awaitable[Facts]]] = {
            "subscription": self._subscription,
            "target": self._target,
            "preview": self._preview,
            "renewal_preview": self._renewal_preview,
            "perform": self._perform,
            "result": self._result,
        }

    @activity.defn
    async def call(self, plain: PlainCall) -> Facts:
        """Make it, and give what later calls need."""
        return await self._calls[plain.name](plain.facts)

    async def _subscription(self, facts: Facts) -> Facts:
        found = await self._stripe.subscriptions.retrieve_async(
            facts["subscription"], {"expand": EXPAND_PLAN}
        )
        return {"item": found.to_dict()["items"]["data"][0]["id"]}

    async def _target(self, facts: Facts) -> Facts:
        price = await self._stripe.prices.retrieve_async(facts["price"], {"expand": ["product"]})
        return {"price": price.id}

    async def _preview(self, facts: Facts) -> Facts:
        invoice = await self._previewed(facts, {})
        return {"at": invoice["parent"]["subscription_details"]["subscription_proration_date"]}

    async def _renewal_preview(self, facts: Facts) -> Facts:
        await self._previewed(facts, {"preview_mode": "recurring"})
        return {}

    async def _previewed(self, facts: Facts, more: Facts) -> Facts:
        details: Any = {"subscription": facts["subscription"], "subscription_details": _change(facts)} | more
        return (await self._stripe.invoices.create_preview_async(details)).to_dict()

    async def _perform(self, facts: Facts) -> Facts:
        params: Any = {
            **_change(facts),
            "payment_behavior": "error_if_incomplete",
            "metadata": {"bench": facts["key"]},
            "expand": EXPAND_PLAN,
        }
        await self._stripe.subscriptions.update_async(
            facts["subscription"], params, {"idempotency_key": facts["key"]}
        )
        return {}

    async def _result(self, facts: Facts) -> Facts:
        page = await self._stripe.invoices.list_async({"subscription": facts["subscription"], "limit": 20})
        return {"invoices": len([invoice.to_dict() for invoice in page.data])}


def _change(facts: Facts) -> Facts:
    change = {
        "items": [{"id": facts["item"], "price": facts["price"], "quantity": facts["seats"]}],
        "proration_behavior": "always_invoice",
    }
    return change | ({"proration_date": facts["at"]} if "at" in facts else {})
