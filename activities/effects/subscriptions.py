"""Effects on an organization's own subscription and its schedule."""

from typing import Any

import stripe

from billing.plan_changes.phases import made_phase
from billing.stripe.effects import Effect

from ..mirror.objects.subscription import SubscriptionSnapshot
from ..stripe.events_of_requests import object_told
from ..stripe.plan_subscription import (
    EXPAND_PHASES,
    EXPAND_PLAN,
    SubscriptionUnsupported,
    subscription_document,
)
from .protocol import EffectResult, bears_mark, marked, options, request_of

LISTED = 100
"""Stripe's largest page."""
PENDING = "pending_if_incomplete"
"""Stripe's word for a change that is to wait for its payment."""


class SubscriptionUpdate:
    """Changes a subscription; the mark is set by the same request, so it is there or the change isn't.

    A change that waits for its payment bears the mark where it waits. Once Stripe has dropped it, only the
    event of our request still tells of it.
    """

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        params: Any = marked(effect) | {"expand": EXPAND_PLAN}
        subscription = await client.v1.subscriptions.update_async(effect.target, params, options(effect))
        return self._result(subscription)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        subscription = await client.v1.subscriptions.retrieve_async(effect.target, {"expand": EXPAND_PLAN})
        pending = subscription.pending_update
        if bears_mark(subscription.metadata, effect) or (pending and bears_mark(pending.metadata, effect)):
            # Its newest invoice may be another's by now.
            return self._result(subscription, latest_invoice=None)
        if effect.params.get("payment_behavior") != PENDING:
            return None
        told = await self._told(client, effect)
        return EffectResult(effect.target, None, _answered(told)) if told is not None else None

    async def _told(self, client: stripe.StripeClient, effect: Effect) -> dict[str, Any] | None:
        """What the subscription was when Stripe kept the change: then it made the invoice that waited."""
        wanted: Any = {"subscription": effect.target, "limit": LISTED}
        if (since := effect.params.get("proration_date")) is not None:
            wanted["created"] = {"gte": since}
        invoices = await client.v1.invoices.list_async(wanted)
        async for invoice in invoices.auto_paging_iter():
            told = await object_told(client, "customer.subscription.updated", effect.key, invoice.created)
            if told is not None:
                return told
        return None

    def _result(self, subscription: stripe.Subscription, **known: Any) -> EffectResult:
        data = subscription.to_dict() | known
        return EffectResult(subscription.id, request_of(subscription), _answered(data), snapshot_of(data))


def snapshot_of(subscription: dict[str, Any]) -> SubscriptionSnapshot | None:
    """What the mirror shows of it (products expanded). None for one to none of our plans: the effect is there
    all the same, and whoever reads the subscription next says so."""
    try:
        subscription_document(subscription, subscription["customer"])
    except SubscriptionUnsupported:
        return None
    return SubscriptionSnapshot(subscription)


def _answered(subscription: dict[str, Any]) -> dict[str, Any]:
    """What is kept of Stripe's answer."""
    items = [
        {"id": item["id"], "price": item["price"]["id"], "quantity": item.get("quantity")}
        for item in subscription["items"]["data"]
    ]
    pending = subscription.get("pending_update")
    return {
        "status": subscription["status"],
        "cancel_at": subscription["cancel_at"],
        "items": items,
        "latest_invoice": subscription.get("latest_invoice"),
        "metadata": subscription["metadata"],
    } | ({"pending_until": pending["expires_at"]} if pending else {})


class NotedSubscription:
    """It bears the note of the last case: the notes of those before are in our records."""

    async def read(self, client: stripe.StripeClient, target: str) -> stripe.Subscription:
        return await client.v1.subscriptions.retrieve_async(target)

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> stripe.Subscription:
        return await client.v1.subscriptions.update_async(target, params, options)


class ScheduleCreate:
    """Puts a subscription under a schedule. Stripe takes no metadata here, and anybody can do the same in its
    Dashboard: only Stripe's event names the request that did it, by our idempotency key."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        schedule = await client.v1.subscription_schedules.create_async(
            {"from_subscription": effect.target, "expand": EXPAND_PHASES}, options(effect)
        )
        return self._result(schedule)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        subscription = await client.v1.subscriptions.retrieve_async(effect.target)
        if subscription.schedule is None:
            return None
        schedule_id = subscription.schedule
        if not isinstance(schedule_id, str):
            schedule_id = schedule_id.id
        schedule = await client.v1.subscription_schedules.retrieve_async(
            schedule_id, {"expand": EXPAND_PHASES}
        )
        told = await object_told(
            client,
            "subscription_schedule.created",
            effect.key,
            schedule.created,
        )
        return self._result(schedule) if told is not None and told["id"] == schedule.id else None

    def _result(self, schedule: stripe.SubscriptionSchedule) -> EffectResult:
        phase = made_phase(schedule.phases[0].to_dict())
        return EffectResult(schedule.id, request_of(schedule), phase.model_dump(mode="json"))


class ScheduleUpdate:
    """Gives a schedule its phases."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        params: Any = marked(effect)
        schedule = await client.v1.subscription_schedules.update_async(effect.target, params, options(effect))
        return self._result(schedule, effect)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        schedule = await client.v1.subscription_schedules.retrieve_async(effect.target)
        return self._result(schedule, effect) if bears_mark(schedule.metadata, effect) else None

    def _result(self, schedule: stripe.SubscriptionSchedule, effect: Effect) -> EffectResult:
        return EffectResult(schedule.id, request_of(schedule), {"phases": effect.params["phases"]})


class ScheduleRelease:
    """Takes a subscription out of its schedule: it goes on as it is."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        schedule = await client.v1.subscription_schedules.release_async(effect.target, {}, options(effect))
        return self._result(schedule)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        schedule = await client.v1.subscription_schedules.retrieve_async(effect.target)
        return self._result(schedule) if schedule.status == "released" else None

    def _result(self, schedule: stripe.SubscriptionSchedule) -> EffectResult:
        return EffectResult(schedule.id, request_of(schedule), {"released_at": schedule.released_at})
