"""What Finance is told and must acknowledge."""

from enum import StrEnum


class NoticeKind(StrEnum):
    PLAN_CHANGE_REQUESTED = "plan_change_requested"
    """Somebody asked for a change that affects revenue recognition."""
    PLAN_CHANGE_APPLIED = "plan_change_applied"
    """It was applied; the notice carries the final figures."""
    PLAN_CHANGE_SCHEDULED = "plan_change_scheduled"
    """It will happen at the end of the period; the figures are Stripe's preview."""
    REFUND_FAILED = "refund_failed"
    """Stripe could not return the money, at once or after it had said that it did."""
    REFUND_INCOMPLETE = "refund_incomplete"
    """One of the payments of an invoice was refunded, another could not be."""
    CREDIT_DIFFERS = "credit_differs"
    """Stripe holds another credit than was agreed."""
    REFUND_MADE_IN_STRIPE = "refund_made_in_stripe"
    """Nobody had asked for it here."""
    CREDIT_MADE_IN_STRIPE = "credit_made_in_stripe"
    """Nobody had asked for it here."""
    PLAN_CHANGED_IN_STRIPE = "plan_changed_in_stripe"
    """Nobody had asked for it here; it may be the end of the subscription."""
