"""Refunds: made, taken back while they wait for the customer, and noted on.

A refund that Stripe made with status `failed` or `requires_action` is made: only a refusal is none.
"""

from datetime import datetime
from typing import Any

import stripe

from billing.stripe.effects import Effect

from ..stripe.objects import REFUND_PARTS, of_refund
from .money import PAGE, keeping, made_by, now
from .protocol import Found, marked, options, request_of

ANSWERED = ("status", "amount", "currency", "payment_intent", "charge", "reason", "created", "metadata")
"""What is kept of Stripe's answer."""


class RefundCreate:
    """Refunds a part of a payment; `target` is its payment intent, `params` name the charge."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        params: Any = marked(effect) | {"expand": REFUND_PARTS}
        asked_at = now()
        return _found(effect, await client.v1.refunds.create_async(params, options(effect)), asked_at)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        asked_at = now()
        of: Any = {"payment_intent": effect.target, "limit": PAGE}
        made = await made_by(effect, client.v1.refunds.list_async(of), "charge", "amount")
        if made is None:
            return None
        return _found(
            effect, await client.v1.refunds.retrieve_async(made, {"expand": REFUND_PARTS}), asked_at
        )


class RefundCancel:
    """Takes back a refund that waits for the customer; Stripe takes no metadata here: its status shows it."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        asked_at = now()
        refund = await client.v1.refunds.cancel_async(
            effect.target, {"expand": REFUND_PARTS}, options(effect)
        )
        return _found(effect, refund, asked_at)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        asked_at = now()
        refund = await client.v1.refunds.retrieve_async(effect.target, {"expand": REFUND_PARTS})
        return _found(effect, refund, asked_at) if refund.status == "canceled" else None


class NotedRefund:
    async def read(self, client: stripe.StripeClient, target: str) -> stripe.Refund:
        return await client.v1.refunds.retrieve_async(target)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.Refund:
        return await client.v1.refunds.update_async(target, params, options)


def _found(effect: Effect, refund: stripe.Refund, asked_at: datetime) -> Found:
    seen = of_refund(refund)
    detail = {name: seen.main.get(name) for name in ANSWERED}
    return Found(refund.id, request_of(refund), detail, keeping(effect, seen, asked_at))
