"""One effect on Stripe, wherever it is asked for: what is to happen and how it ended."""

from typing import Any, Literal

from pydantic import Field

from ..core.events import EventCode
from ..core.hashing import digest
from ..core.operations import Message, Problem

EffectKind = Literal[
    "subscription.update",
    "subscription.note",
    "subscription.cancel",
    "subscription.cancel_at_period_end",
    "subscription.keep",
    "schedule.create",
    "schedule.update",
    "schedule.release",
    "refund.create",
    "refund.cancel",
    "refund.note",
    "credit_note.create",
    "credit_note.note",
    "balance.create",
    "balance.note",
    "invoice.void",
    "invoice.mark_uncollectible",
    "invoice.note",
    "customer.note",
    "charge.note",
    "bill.void",
]


OPERATION_MARK = "plixo_operation"
EFFECT_MARK = "plixo_effect"
"""Metadata that marks an object with the effect that last changed it, so that it can be read back."""


NOT_WAITING = "waiting_change_over"
"""What an effect is refused that would replace an operation which doesn't wait any more."""


def params_hash(target: str, params: dict[str, Any]) -> str:
    """What a later attempt at the same effect has to match."""
    return digest({"target": target, "params": params})


def effect_key(organization: str, operation: str, step: str, version: int) -> str:
    """The Stripe idempotency key: never an attempt, run id or activity id, which a reset changes."""
    return f"{organization}:{operation}:{step}:{version}"


class EffectBegins(Message):
    """What an operation tells as its effect is begun, and the stage that it is in from then on: nothing can
    be asked of it any more."""

    event: EventCode
    stage: Literal["applying", "issuing"]


class Effect(Message):
    """What is about to be done to Stripe, once.

    `version` rises only when a person deliberately tries again after a definite refusal: a saved 402
    would replay under the same key.
    """

    organization: str
    operation: str
    step: str
    kind: EffectKind
    target: str
    """The Stripe id that the call goes to."""
    params: dict[str, Any]
    version: int = 1
    replaces: str | None = None
    """The operation that waits for what this effect rewrites, and ends as it is begun."""
    begins: EffectBegins | None = None

    @property
    def key(self) -> str:
        """Its Stripe idempotency key."""
        return effect_key(self.organization, self.operation, self.step, self.version)


class EffectOutcome(Message):
    """How an effect ended: done, or definitely refused with nothing changed."""

    outcome: Literal["done", "refused"]
    key: str
    stripe_id: str | None = None
    request_id: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)
    problem: Problem | None = None
    declined: bool = False
