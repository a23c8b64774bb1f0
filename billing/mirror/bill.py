"""What an organization owes for its own plan: when somebody has to see to it."""

from datetime import datetime

from pydantic import AwareDatetime

from ..core.money import Money
from ..core.operations import Message


class UnpaidBill(Message):
    """What the admins and Finance hear of an invoice from Plixo that will not be paid by itself."""

    invoice: str
    number: str | None
    unpaid: Money
    is_renewal: bool
    charged: bool
    """Whether Stripe has tried to charge it; it is overdue otherwise."""
    confirm: bool = False
    """Whether the charge waits for the payer to confirm it to their bank."""
    next_attempt_at: AwareDatetime | None
    given_up: bool
    """Whether Stripe has stopped trying."""


CHARGED = "charge_automatically"
"""Stripe's word for an invoice that it charges to a payment method, where it would else only send it."""
UNDER_WAY = "processing"
"""Stripe's status of a payment that a bank takes its days for."""
AUTHENTICATION = "requires_action"
"""Stripe's status of a payment that waits for the payer to confirm it to their bank."""


def needs_payment(
    status: str,
    amount_remaining: int,
    *,
    charged: bool,
    attempts: int,
    payment_status: str | None,
    due_date: datetime | None,
    at: datetime,
) -> bool:
    """Whether an invoice to the organization will not be paid by itself: the charge failed or has to be
    confirmed, it is overdue, or it was given up; not while a bank debit is under way.

    `charged` is whether Stripe charges it by itself, `payment_status` how that charge stands, where it is
    known.
    """
    if amount_remaining <= 0:
        return False
    if status == "uncollectible":
        return True
    if status != "open":
        return False
    if not charged:
        return due_date is not None and due_date < at
    return payment_status != UNDER_WAY and (attempts > 0 or payment_status == AUTHENTICATION)
