"""The kinds of effect: how each is sent, and how to see afterwards whether it happened.

A new kind is one class and one row in `EFFECTS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import stripe

from billing.effects import Effect, EffectKind

from .mirror_pages import EXPAND_PLAN, SubscriptionUnsupported, subscription_document

OPERATION = "plixo_operation"
EFFECT = "plixo_effect"
"""Metadata that marks an object with the effect that last changed it, so that it can be read back."""


@dataclass(frozen=True)
class Found:
    """An effect that is there, in Stripe."""

    stripe_id: str
    request_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    subscription: dict[str, Any] | None = None
    """The subscription as the mirror keeps it, where the effect shows it."""


class StripeEffect(Protocol):
    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        """Sends it under the effect's key. Raises StripeError."""
        ...

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        """The effect, if Stripe shows that it happened. Raises StripeError."""
        ...


def _marked(effect: Effect) -> dict[str, Any]:
    return {**effect.params, "metadata": {OPERATION: effect.operation, EFFECT: effect.key}}


def _options(effect: Effect) -> stripe.RequestOptions:
    return {"idempotency_key": effect.key}


def _bears_mark(metadata: Any, effect: Effect) -> bool:
    """`metadata` is the SDK's untyped object, which is no mapping."""
    return metadata is not None and metadata.to_dict().get(EFFECT) == effect.key


def _request(obj: stripe.StripeObject) -> str | None:
    response = obj.last_response
    return response.request_id if response is not None else None


class SubscriptionUpdate:
    """Changes a subscription; the mark is set by the same request, so it is there or the change isn't."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        params: Any = _marked(effect) | {"expand": EXPAND_PLAN}
        subscription = await client.v1.subscriptions.update_async(effect.target, params, _options(effect))
        return self._found(subscription)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        subscription = await client.v1.subscriptions.retrieve_async(effect.target, {"expand": EXPAND_PLAN})
        return self._found(subscription) if _bears_mark(subscription.metadata, effect) else None

    def _found(self, subscription: stripe.Subscription) -> Found:
        data = subscription.to_dict()
        try:
            document = subscription_document(data, data["customer"])
        except SubscriptionUnsupported:
            document = None  # the effect is there all the same; whoever reads the subscription next says so
        return Found(
            subscription.id, _request(subscription), {"status": subscription.status}, subscription=document
        )


class ScheduleCreate:
    """Puts a subscription under a schedule. Stripe takes no metadata here: the subscription shows it.

    One that has just been made of a subscription has a single phase; with more, it is somebody else's.
    """

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        schedule = await client.v1.subscription_schedules.create_async(
            {"from_subscription": effect.target}, _options(effect)
        )
        return self._found(schedule)

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        subscription = await client.v1.subscriptions.retrieve_async(effect.target)
        if subscription.schedule is None:
            return None
        schedule_id = subscription.schedule
        if not isinstance(schedule_id, str):
            schedule_id = schedule_id.id
        schedule = await client.v1.subscription_schedules.retrieve_async(schedule_id)
        return self._found(schedule) if len(schedule.phases) == 1 else None

    def _found(self, schedule: stripe.SubscriptionSchedule) -> Found:
        phase = schedule.phases[0]
        return Found(
            schedule.id,
            _request(schedule),
            {"phase_start": phase.start_date, "phase_end": phase.end_date},
        )


class ScheduleUpdate:
    """Gives a schedule its phases."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        params: Any = _marked(effect)
        schedule = await client.v1.subscription_schedules.update_async(
            effect.target, params, _options(effect)
        )
        return Found(schedule.id, _request(schedule))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        schedule = await client.v1.subscription_schedules.retrieve_async(effect.target)
        return Found(schedule.id, _request(schedule)) if _bears_mark(schedule.metadata, effect) else None


class ScheduleRelease:
    """Takes a subscription out of its schedule: it goes on as it is."""

    async def call(self, client: stripe.StripeClient, effect: Effect) -> Found:
        schedule = await client.v1.subscription_schedules.release_async(effect.target, {}, _options(effect))
        return Found(schedule.id, _request(schedule))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> Found | None:
        schedule = await client.v1.subscription_schedules.retrieve_async(effect.target)
        return Found(schedule.id, _request(schedule)) if schedule.status == "released" else None


EFFECTS: Mapping[EffectKind, StripeEffect] = {
    "subscription.update": SubscriptionUpdate(),
    "schedule.create": ScheduleCreate(),
    "schedule.update": ScheduleUpdate(),
    "schedule.release": ScheduleRelease(),
}
