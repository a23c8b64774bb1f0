"""What a kind of effect is: how it is sent, and how to see afterwards whether it happened.

Each kind is a class, by topic in `subscriptions`, `refunds`, `credits` and `invoices`; `registry.EFFECTS`
lists them all.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import stripe

from billing.stripe.effects import EFFECT_MARK, OPERATION_MARK, Effect

from ..mirror.objects.snapshot import Snapshot


@dataclass(frozen=True)
class EffectResult:
    """An effect that is there, in Stripe."""

    stripe_id: str
    request_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    """What the mirror shows of it: stored in the transaction that closes the intent."""


class StripeEffect(Protocol):
    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        """Sends it under the effect's key. Raises StripeError."""
        ...

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        """The effect, if Stripe shows that it happened. Raises StripeError."""
        ...


def marked(effect: Effect) -> dict[str, Any]:
    """The effect's parameters, its marks added to the metadata."""
    metadata = effect.params.get("metadata") or {}
    return {
        **effect.params,
        "metadata": {**metadata, OPERATION_MARK: effect.operation, EFFECT_MARK: effect.key},
    }


def options(effect: Effect) -> stripe.RequestOptions:
    """What makes Stripe execute it once."""
    return {"idempotency_key": effect.key}


def plain(metadata: Any) -> dict[str, str]:
    """`metadata` is the SDK's untyped object, which is no mapping."""
    found: dict[str, str] = metadata.to_dict() if metadata is not None else {}
    return found


def bears_mark(metadata: Any, effect: Effect) -> bool:
    return plain(metadata).get(EFFECT_MARK) == effect.key


def bears_later_mark(metadata: Any, effect: Effect) -> bool:
    """Whether it bears the effect's mark, or that of a later try at it: while this one is open the records
    know of none, so it was made before they were restored."""
    of, _, version = plain(metadata).get(EFFECT_MARK, "").rpartition(":")
    mine = effect.key.rpartition(":")[0]
    return of == mine and version.isdecimal() and int(version) >= effect.version


class MadeOtherwise(Exception):
    """Stripe has nothing that is just what the effect asks for, but something else that bears its mark."""

    def __init__(self, object_: str) -> None:
        super().__init__(object_)
        self.object = object_


def request_of(obj: stripe.StripeObject) -> str | None:
    """Stripe's id of the request that this is the answer to."""
    response = obj.last_response
    return response.request_id if response is not None else None
