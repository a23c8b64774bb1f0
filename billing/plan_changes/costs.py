"""What a plan costs a month, so that two can be held side by side however they are billed."""

from ..core.money import Money
from ..core.operations import Message
from .plans import Interval

MONTHS = {"month": 1, "year": 12}


class MonthlyCost(Message):
    """By the list prices of all seats, before discounts and taxes; `before` is None where it isn't known."""

    before: Money | None
    after: Money

    @property
    def difference(self) -> Money | None:
        """What it costs more, or less than nothing what it saves."""
        return self.after - self.before if self.before is not None else None


def cost_per_month(unit_amount: int, seats: int, interval: Interval, currency: str) -> Money:
    """What so many seats cost a month, at `unit_amount` minor units a seat and interval.

    Of a year it is the twelfth, half a minor unit rounded up.
    """
    months = MONTHS[interval]
    return Money(amount_minor=(2 * unit_amount * seats + months) // (2 * months), currency=currency)
