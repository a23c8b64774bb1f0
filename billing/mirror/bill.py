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
    """Whether Stripe has tried to charge the card; it is overdue otherwise."""
    next_attempt_at: AwareDatetime | None
    given_up: bool
    """Whether Stripe has stopped trying."""


def needs_payment(
    status: str,
    amount_remaining: int,
    *,
    charged: bool,
    attempts: int,
    due_date: datetime | None,
    at: datetime,
) -> bool:
    """Whether an invoice to the organization will not be paid by itself: the charge failed, it is overdue, or
    it was given up. `charged`: Stripe charges the card, where it would else only send the invoice."""
    if amount_remaining <= 0:
        return False
    if status == "uncollectible":
        return True
    if status != "open":
        return False
    return attempts > 0 if charged else due_date is not None and due_date < at
