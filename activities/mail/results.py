"""What became of an operation in Stripe, as a mail's context has it."""

import logging
from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Tag,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from billing.core.money import Money
from billing.money.refund_report import FAILURES
from billing.plan_changes.proration import Difference, Line

from .filters import line

logger = logging.getLogger(__name__)

OneLine = Annotated[str, AfterValidator(line)]
"""An id or a word: nothing in it can begin a line of its own."""


class Shown(BaseModel):
    """A part of a context: unknown parts are ignored, and an optional one that can't be read is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_left_out(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return read(value)
        except ValidationError:
            assert info.field_name is not None
            field = cls.model_fields[info.field_name]
            if field.is_required():
                raise
            logger.warning("a mail goes without %s.%s, which can't be read", cls.__name__, info.field_name)
            return field.get_default(call_default_factory=True)


class Outcome(Shown):
    """What Stripe holds after a plan change, or what is scheduled (UTC seconds)."""

    invoice: str | None = None
    invoice_status: str | None = None
    total: Money | None = None
    lines: tuple[Line, ...] = ()
    differences: tuple[Difference, ...] = ()
    effective_at: int | None = None
    accepted_by: str | None = None
    reverted_by: str | None = None
    comment: str | None = None

    @property
    def people(self) -> tuple[str | None, ...]:
        return self.accepted_by, self.reverted_by


class Share(Shown):
    """What was to be returned of one payment, and what became of that in Stripe."""

    refund: OneLine | None = None
    status: OneLine | None = None
    payment_intent: OneLine | None = None
    amount: Money | None = None
    failure_reason: OneLine | None = None

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"

    @property
    def lost(self) -> bool:
        """Whether the money will not reach the customer."""
        return self.status in ("failed", "canceled", "refused", "not_tried")

    @property
    def why(self) -> str | None:
        """Why Stripe could not return it, in words that follow a colon; None unless it failed."""
        if self.status != "failed":
            return None
        reason = self.failure_reason or "unknown"
        return FAILURES.get(reason, f"Stripe's reason is {reason}")


class Refunded(Share):
    """What Stripe made of a refund: one payment's, or `parts`."""

    note: str | None = None
    parts: tuple[Share, ...] = ()
    comment: str | None = None

    @property
    def shares(self) -> tuple[Share, ...]:
        """What became of each payment's part."""
        return self.parts or ((self,) if self.refund else ())

    @property
    def made(self) -> bool:
        """Whether Stripe has any refund of it."""
        return any(share.refund for share in self.shares)

    @property
    def complete(self) -> bool:
        """Whether all of it was returned."""
        return bool(self.shares) and all(share.succeeded for share in self.shares)

    @property
    def returned(self) -> Money | None:
        """What the customer has; None for nothing."""
        return _together(share.amount for share in self.shares if share.succeeded)

    @property
    def lost_amount(self) -> Money | None:
        """What came to nothing; None for nothing."""
        return _together(share.amount for share in self.shares if share.lost)

    @property
    def people(self) -> tuple[str | None, ...]:
        return ()


class Credited(Shown):
    """What Stripe made of a credit. A negative balance is a credit."""

    object: OneLine | None = None
    instrument: OneLine | None = None
    amount: Money | None = None
    reduces_due: Money | None = None
    to_balance: Money | None = None
    balance_after: Money | None = None
    invoice: OneLine | None = None
    invoice_remaining: Money | int | None = None
    """An integer is minor units of the amount's currency."""
    note: str | None = None
    differences: tuple[OneLine, ...] = ()
    accepted_by: str | None = None
    comment: str | None = None

    @property
    def remaining(self) -> Money | None:
        """What is still due on the invoice."""
        left = self.invoice_remaining
        if isinstance(left, int):
            return Money(amount_minor=left, currency=self.amount.currency) if self.amount else None
        return left

    @property
    def people(self) -> tuple[str | None, ...]:
        return (self.accepted_by,)


def _together(amounts: Iterable[Money | None]) -> Money | None:
    known = [amount for amount in amounts if amount is not None]
    if len({amount.currency for amount in known}) != 1:
        return None
    return reduce(add, known)


def _shape(value: Any) -> str:
    if isinstance(value, BaseModel):
        return type(value).__name__
    keys = set(value) if isinstance(value, dict) else set()
    if keys & {"object", "instrument", "to_balance", "reduces_due"}:
        return Credited.__name__
    return Refunded.__name__ if keys & {"refund", "parts", "payment_intent"} else Outcome.__name__


Result = Annotated[
    Annotated[Outcome, Tag(Outcome.__name__)]
    | Annotated[Refunded, Tag(Refunded.__name__)]
    | Annotated[Credited, Tag(Credited.__name__)],
    Discriminator(_shape),
]
"""Told apart by what it holds."""
