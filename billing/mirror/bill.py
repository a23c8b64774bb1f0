"""What an organization owes for its own plan: when somebody has to see to it."""

from datetime import datetime


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
