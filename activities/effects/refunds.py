"""Refunds: made, taken back while they wait for the customer, and noted on.

A refund that Stripe made with status `failed` or `requires_action` is made: only a refusal is none.
"""

from typing import Any

import stripe

from billing.stripe.effects import Effect

from ..mirror.objects.payment import REFUND_PARTS, PaymentSnapshot
from .money import PAGE, made_by
from .protocol import EffectResult, marked, options, request_of

ANSWERED = ("status", "amount", "currency", "payment_intent", "charge", "reason", "created", "metadata")
"""What is kept of Stripe's answer."""


class RefundCreate:
    """Refunds a part of a payment; `target` is its payment intent, `params` name the charge."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        params: Any = marked(effect) | {"expand": REFUND_PARTS}
        return _result(await client.v1.refunds.create_async(params, options(effect)))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        of: Any = {"payment_intent": effect.target, "limit": PAGE}
        made = await made_by(effect, client.v1.refunds.list_async(of), "charge", "amount")
        if made is None:
            return None
        return _result(await client.v1.refunds.retrieve_async(made, {"expand": REFUND_PARTS}))


class RefundCancel:
    """Takes back a refund that waits for the customer; Stripe takes no metadata here: its status shows it."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        refund = await client.v1.refunds.cancel_async(
            effect.target, {"expand": REFUND_PARTS}, options(effect)
        )
        return _result(refund)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        refund = await client.v1.refunds.retrieve_async(effect.target, {"expand": REFUND_PARTS})
        return _result(refund) if refund.status == "canceled" else None


class NotedRefund:
    async def read(self, client: stripe.StripeClient, target: str) -> stripe.Refund:
        return await client.v1.refunds.retrieve_async(target)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.Refund:
        return await client.v1.refunds.update_async(target, params, options)


class NotedCharge:
    """The charge that a bank has taken back."""

    async def read(self, client: stripe.StripeClient, target: str) -> stripe.Charge:
        return await client.v1.charges.retrieve_async(target)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.Charge:
        return await client.v1.charges.update_async(target, params, options)


def _result(refund: stripe.Refund) -> EffectResult:
    snapshot = PaymentSnapshot.of_refund(refund)
    assert snapshot is not None, "a refund of ours is of a payment intent"
    [made] = snapshot.refunds
    detail = {name: made.get(name) for name in ANSWERED}
    return EffectResult(refund.id, request_of(refund), detail, snapshot)
