"""Disputes: a customer's bank asks for a payment's money back, or first only asks about it (an inquiry).

Statuses, https://docs.stripe.com/api/disputes/object#dispute_object-status:

    inquiry     warning_needs_response -> warning_under_review -> warning_closed | needs_response
    chargeback  needs_response -> under_review -> won | lost
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import AwareDatetime

from ..core.money import Money
from ..core.operations import Message

DisputeStatus = Literal[
    "lost",
    "needs_response",
    "prevented",
    "under_review",
    "warning_closed",
    "warning_needs_response",
    "warning_under_review",
    "won",
]
LOST = "lost"
UNANSWERED = ("needs_response", "warning_needs_response")
"""Somebody has to answer it in Stripe."""
TOLD_OF = frozenset({*UNANSWERED, "won", LOST, "warning_closed", "prevented"})
"""Whoever answers it knows that it is under review then."""


def withdrawn(captured: int, refunded: int, disputed: Iterable[int]) -> int:
    """What the bank has taken back of a payment by these disputes, which keep it from being refunded: no more
    than refunds have left of it."""
    return min(sum(disputed), captured - refunded)


class DisputeNews(Message):
    """What Finance and the controllers hear of a dispute."""

    dispute: str
    status: str
    """Stripe's; one of `DisputeStatus`, or one that it has added since."""
    amount: Money
    reason: str
    """Stripe's, such as `product_not_received`."""
    customer: str | None
    """Their name."""
    payment_intent: str
    invoice: str | None
    number: str | None
    """Of the invoice that was paid."""
    due_by: AwareDatetime | None
    """Until when it can be answered."""
    refundable: bool
    """Whether the payment can be refunded as the dispute stands."""

    @property
    def inquiry(self) -> bool:
        return self.status.startswith("warning_")

    @property
    def unanswered(self) -> bool:
        return self.status in UNANSWERED

    @property
    def why(self) -> str:
        """The reason within a sentence."""
        return self.reason.replace("_", " ")
