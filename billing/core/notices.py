"""What Finance is told and must acknowledge."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from .operations import Kind, State


class NoticeKind(StrEnum):
    PLAN_CHANGE_REQUESTED = "plan_change_requested"
    """Somebody asked for a change that affects revenue recognition."""
    PLAN_CHANGE_APPLIED = "plan_change_applied"
    """It was applied; the notice carries the final figures."""
    PLAN_CHANGE_REVERTED = "plan_change_reverted"
    """It was taken back; the notice carries what that billed or credited."""
    PLAN_CHANGE_SCHEDULED = "plan_change_scheduled"
    """It will happen at the end of the period; the figures are Stripe's preview."""
    CANCELLATION_REQUESTED = "cancellation_requested"
    """Somebody asked for the plan to end, or for an end to be taken back."""
    CANCELLATION_APPLIED = "cancellation_applied"
    """It was done in Stripe: the end is planned, has come, or was taken back."""
    CANCELLATION_DIFFERS = "cancellation_differs"
    """Stripe holds something else than was approved."""
    REFUND_FAILED = "refund_failed"
    """Stripe could not return the money, at once or after it had said that it did."""
    REFUND_INCOMPLETE = "refund_incomplete"
    """One of the payments of an invoice was refunded, another could not be."""
    CREDIT_DIFFERS = "credit_differs"
    """Stripe holds another credit than was agreed."""
    VOID_DIFFERS = "void_differs"
    """The invoice that was voided is another in Stripe than was agreed."""
    WRITE_OFF_DIFFERS = "write_off_differs"
    """The invoice that was written off is another in Stripe than was agreed."""
    REFUND_MADE_IN_STRIPE = "refund_made_in_stripe"
    """Nobody had asked for it here."""
    CREDIT_MADE_IN_STRIPE = "credit_made_in_stripe"
    """Nobody had asked for it here."""
    VOID_MADE_IN_STRIPE = "void_made_in_stripe"
    """Nobody had asked for it here."""
    WRITE_OFF_MADE_IN_STRIPE = "write_off_made_in_stripe"
    """Nobody had asked for it here."""
    DISCOUNT_MADE_IN_STRIPE = "discount_made_in_stripe"
    """Nobody had asked for the coupon here."""
    DISPUTE_LOST = "dispute_lost"
    """The customer's bank has taken a payment back for good."""
    PLAN_CHANGED_IN_STRIPE = "plan_changed_in_stripe"
    """Nobody had asked for it here; it may be the end of the subscription, or that it is planned."""


_FIGURES_OF: Mapping[NoticeKind, Kind] = MappingProxyType(
    {
        NoticeKind.PLAN_CHANGE_REQUESTED: Kind.PLAN_CHANGE,
        NoticeKind.PLAN_CHANGE_SCHEDULED: Kind.PLAN_CHANGE,
        NoticeKind.PLAN_CHANGE_APPLIED: Kind.PLAN_CHANGE,
        NoticeKind.PLAN_CHANGE_REVERTED: Kind.PLAN_CHANGE,
        NoticeKind.CANCELLATION_REQUESTED: Kind.CANCELLATION,
        NoticeKind.CANCELLATION_APPLIED: Kind.CANCELLATION,
        NoticeKind.CANCELLATION_DIFFERS: Kind.CANCELLATION,
        NoticeKind.REFUND_FAILED: Kind.REFUND,
        NoticeKind.REFUND_INCOMPLETE: Kind.REFUND,
        NoticeKind.CREDIT_DIFFERS: Kind.CREDIT,
        NoticeKind.VOID_DIFFERS: Kind.VOID,
        NoticeKind.WRITE_OFF_DIFFERS: Kind.WRITE_OFF,
    }
)
"""What a notice gives figures of. Those that are not here tell of what has happened and stays so."""


def about(kind: NoticeKind) -> Kind:
    """The kind of operation that a notice is about: a case, where nobody had asked for it here."""
    return _FIGURES_OF.get(kind, Kind.CASE)


def replaces(new: NoticeKind, old: NoticeKind) -> bool:
    """Whether a new notice of an operation has the figures that hold now in place of an older one's."""
    return new in _FIGURES_OF and _FIGURES_OF[new] == _FIGURES_OF.get(old)


def is_moot(kind: NoticeKind, state: State, result: Mapping[str, Any] | None) -> bool:
    """Whether what a notice told of came to nothing, when its operation ended so.

    What was applied stays applied unless it is taken back, of which another notice tells; a refund that
    failed is none any more once all of the money came through.
    """
    match kind:
        case (
            NoticeKind.PLAN_CHANGE_REQUESTED
            | NoticeKind.PLAN_CHANGE_SCHEDULED
            | NoticeKind.CANCELLATION_REQUESTED
            | NoticeKind.CANCELLATION_APPLIED
        ):
            return state.final and state is not State.COMPLETED
        case NoticeKind.PLAN_CHANGE_APPLIED:
            return state is State.CANCELLED
        case NoticeKind.REFUND_FAILED | NoticeKind.REFUND_INCOMPLETE:
            return state is State.COMPLETED and (result or {}).get("status") == "succeeded"
        case _:
            return False
