"""The end of an organization's own subscription: at once, planned with its period, or taken back."""

from typing import Any

import stripe

from billing.cancellations.stripe_params import ended_by, named_comment
from billing.plan_changes.obstacles import ENDED
from billing.stripe.effects import Effect

from ..stripe.plan_subscription import EXPAND_PLAN
from .protocol import EffectResult, request_of
from .subscriptions import SubscriptionUpdate, snapshot_of


class CancelAtPeriodEnd(SubscriptionUpdate):
    """Plans its end; the mark is set by the same request."""


class KeepSubscription(SubscriptionUpdate):
    """Takes a planned end back; the mark is set by the same request."""


class CancelNow:
    """Ends it. Stripe takes neither metadata nor an idempotency key here, and anybody can do the same in its
    Dashboard: the comment that it keeps of a cancellation names the operation."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        details = effect.params["cancellation_details"]
        comment = named_comment(details["comment"], effect.operation)
        named = {"cancellation_details": details | {"comment": comment}}
        params: Any = effect.params | named | {"expand": EXPAND_PLAN}
        return self._result(await client.v1.subscriptions.cancel_async(effect.target, params))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        found = await client.v1.subscriptions.retrieve_async(effect.target, {"expand": EXPAND_PLAN})
        details = found.cancellation_details
        ours = details is not None and ended_by(details.comment) == effect.operation
        return self._result(found) if ours and found.status in ENDED else None

    def _result(self, ended: stripe.Subscription) -> EffectResult:
        request, data = request_of(ended), ended.to_dict()
        detail = {name: data.get(name) for name in ("status", "ended_at", "latest_invoice")}
        return EffectResult(ended.id, request, detail, snapshot_of(data))
